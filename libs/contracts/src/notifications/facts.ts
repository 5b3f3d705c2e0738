import { Type, type Static } from 'typebox';
import { contract } from '../schema/schema.js';
import { CHANNELS, DELIVERY_STATUSES } from './status.js';

const oneOf = <const T extends readonly string[]>(values: T) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values });
const open = { additionalProperties: true } as const;

/** How one call of a provider ended. */
export const ATTEMPT_OUTCOMES = ['done', 'retry', 'reject'] as const;

const AttemptError = Type.Object(
  {
    code: Type.String({
      maxLength: 64,
      description: 'Stable, such as http_503, smtp_550, timeout, connection_refused',
    }),
    message: Type.String({ maxLength: 1000, description: 'For people; never holds a secret' }),
  },
  open,
);

export const Attempt = Type.Object(
  {
    number: Type.Integer({ minimum: 1 }),
    provider: Type.String({ maxLength: 128 }),
    startedAt: Type.String({ format: 'date-time' }),
    durationMs: Type.Number({ minimum: 0 }),
    outcome: oneOf(ATTEMPT_OUTCOMES),
    error: Type.Optional(AttemptError),
    failover: Type.Optional(
      Type.Array(
        Type.Object({ provider: Type.String({ maxLength: 128 }), code: Type.String({ maxLength: 64 }) }, open),
        {
          description: 'Providers that were preferred and failed just before, in the same attempt',
        },
      ),
    ),
  },
  open,
);
export type Attempt = Static<typeof Attempt>;

/**
 * What became of a delivery, on the events topic. The event's type says the new status
 * (`bongsu.delivery.<status>.v1`); the data is of one shape for all of them.
 */
export const DeliveryFact = contract(
  Type.Object(
    {
      notificationId: Type.String({ format: 'uuid' }),
      tenant: Type.String({ minLength: 1, maxLength: 64 }),
      recipientId: Type.String({ minLength: 1, maxLength: 256 }),
      deliveryId: Type.String({ format: 'uuid' }),
      channel: oneOf(CHANNELS),
      status: oneOf(DELIVERY_STATUSES),
      version: Type.Integer({
        minimum: 1,
        description: 'Grows with each fact of a delivery; the highest is the truth',
      }),
      at: Type.String({ format: 'date-time' }),
      attempt: Type.Optional(Attempt),
      nextAttemptAt: Type.Optional(Type.String({ format: 'date-time' })),
      reason: Type.Optional(Type.String({ maxLength: 200, description: 'Why it ended without an attempt' })),
    },
    { ...open, title: 'DeliveryFact' },
  ),
);
export type DeliveryFact = Static<typeof DeliveryFact.schema>;
