import { CHANNELS, DELIVERY_STATUSES, NOTIFICATION_STATUSES, NotificationRequest, PRIORITIES } from '@bongsu/contracts';
import { Type, type TSchema } from 'typebox';

/** The shapes of what is read, for the OpenAPI document; a test holds the answers against them. */

const time = Type.String({ format: 'date-time' });
const id = Type.String({ format: 'uuid' });
const oneOf = (values: readonly string[]) => Type.Unsafe<string>({ type: 'string', enum: values });
const closed = { additionalProperties: false } as const;

const Attempt = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    provider: Type.String(),
    startedAt: time,
    durationMs: Type.Number({ minimum: 0 }),
    outcome: oneOf(['done', 'retry', 'reject']),
    error: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() }, closed)),
    failover: Type.Optional(Type.Array(Type.Object({ provider: Type.String(), code: Type.String() }, closed))),
  },
  closed,
);

const Delivery = Type.Object(
  {
    id,
    channel: oneOf(CHANNELS),
    provider: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    status: Type.Unsafe<string>({
      type: 'string',
      enum: DELIVERY_STATUSES,
      // Writing down that a call begins would cost each delivery a write more.
      description:
        'What is known of ended attempts: one that is under way does not show, and `in_flight` is kept for later',
    }),
    attempts: Type.Array(Attempt),
    nextAttemptAt: Type.Optional(time),
    reason: Type.Optional(Type.String()),
  },
  closed,
);

export const NotificationSchema = Type.Object(
  {
    id,
    status: oneOf(NOTIFICATION_STATUSES),
    recipient: NotificationRequest.schema.properties.recipient,
    channels: Type.Array(oneOf(CHANNELS)),
    priority: oneOf(PRIORITIES),
    createdAt: time,
    sendAt: Type.Optional(time),
    expiresAt: Type.Optional(time),
    cancelRequestedAt: Type.Optional(time),
    orderingKey: Type.Optional(Type.String()),
    category: Type.Optional(Type.String()),
    subject: Type.Optional(Type.String()),
    metadata: Type.Optional(Type.Record(Type.String(), Type.String())),
    deliveries: Type.Array(Delivery),
  },
  { ...closed, title: 'Notification' },
);

export const TimelineEntrySchema = Type.Object(
  {
    id: Type.String(),
    at: time,
    type: Type.String({ description: "The event's type" }),
    channel: Type.Optional(oneOf(CHANNELS)),
    deliveryId: Type.Optional(id),
    status: Type.Optional(oneOf(DELIVERY_STATUSES)),
    attempt: Type.Optional(Attempt),
    nextAttemptAt: Type.Optional(time),
    reason: Type.Optional(Type.String()),
  },
  { additionalProperties: true, title: 'TimelineEntry' },
);

/** A page of a list. */
export const pageOf = (entry: TSchema) =>
  Type.Object(
    { data: Type.Array(entry), nextCursor: Type.Unsafe<string | null>({ type: ['string', 'null'] }) },
    { additionalProperties: false },
  );
