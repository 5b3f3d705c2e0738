import { Type, type Static, type TObject, type TProperties, type TSchema } from 'typebox';
import { contract } from '../schema/schema.js';
import { CHANNELS, PRIORITIES } from './status.js';

const closed = { additionalProperties: false } as const;
const oneOf = <const T extends readonly string[]>(values: T, options: object = {}) =>
  Type.Unsafe<T[number]>({ type: 'string', enum: values, ...options });

/** No C0 or C1 control characters: they have no place in a name and forge lines in logs and mail headers. */
const NO_CONTROLS = '^[^\\u0000-\\u001f\\u007f-\\u009f]*$';

export const RecipientId = Type.String({
  minLength: 1,
  maxLength: 256,
  pattern: NO_CONTROLS,
  description: 'Unicode, 1-256 characters, no control characters',
});
const OrderingKey = Type.String({ minLength: 1, maxLength: 256, pattern: NO_CONTROLS });

const Webhook = Type.Object(
  { url: Type.String({ minLength: 1, maxLength: 2048, pattern: '^https?://[^\\s]+$' }) },
  closed,
);

const Recipient = Type.Object(
  {
    id: RecipientId,
    email: Type.Optional(Type.String({ maxLength: 320, format: 'idn-email', pattern: NO_CONTROLS })),
    phone: Type.Optional(
      Type.String({ pattern: '^\\+[1-9][0-9]{6,14}$', description: 'E.164, such as +821012345678' }),
    ),
    webhook: Type.Optional(Webhook),
  },
  closed,
);

const Content = Type.Object(
  {
    subject: Type.Optional(
      Type.String({ maxLength: 998, pattern: NO_CONTROLS, description: 'One line (RFC 5322 sets 998)' }),
    ),
    body: Type.String({ minLength: 1, maxLength: 131_072, description: 'Plain text' }),
    html: Type.Optional(Type.String({ maxLength: 131_072 })),
  },
  closed,
);

const Metadata = Type.Record(Type.String({ minLength: 1, maxLength: 64 }), Type.String({ maxLength: 512 }), {
  maxProperties: 32,
  description: 'Yours: kept and given back, never read',
});

const Channels = Type.Array(oneOf(CHANNELS), {
  minItems: 1,
  maxItems: CHANNELS.length,
  uniqueItems: true,
  description: 'Where to send it; those that an address is given for, when left out',
});

const fields = {
  recipient: Recipient,
  channels: Type.Optional(Channels),
  content: Type.Optional(Content),
  template: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' })),
  data: Type.Optional(Type.Object({}, { additionalProperties: true, maxProperties: 256 })),
  locale: Type.Optional(
    Type.String({ maxLength: 35, pattern: '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$', description: 'BCP 47' }),
  ),
  priority: Type.Optional(oneOf(PRIORITIES)),
  sendAt: Type.Optional(Type.String({ format: 'date-time', maxLength: 40 })),
  expiresAt: Type.Optional(Type.String({ format: 'date-time', maxLength: 40 })),
  orderingKey: Type.Optional(OrderingKey),
  category: Type.Optional(Type.String({ minLength: 1, maxLength: 64, pattern: NO_CONTROLS })),
  metadata: Type.Optional(Metadata),
} satisfies Record<string, TSchema>;

/** As a sender may write it; what is kept is the moment. */
const moment = (description: string) =>
  Type.Optional(
    Type.String({
      format: 'date-time-or-zoned',
      maxLength: 128,
      description:
        `${description}. RFC 3339 with an offset, or a local time with its time zone (RFC 9557): by the zone's clocks, whatever ` +
        'their offset is by then. A time that they leave out counts as much later, of two the earlier one is meant; an offset ' +
        'that contradicts the zone is refused',
      examples: ['2027-03-28T09:00:00+02:00', '2027-03-28T09:00:00[Europe/Berlin]'],
    }),
  );

const written = {
  ...fields,
  sendAt: moment('When to send it, at most a year ahead; at once, when left out or past'),
  expiresAt: moment('From when on it is of no use any more: what has not been delivered by then ends as expired'),
};

/** The body of POST /v1/notifications. Closed: a misspelt field is an error, not a setting that silently does nothing. */
export const NotificationRequest = contract(Type.Object(written, { ...closed, title: 'NotificationRequest' }));
export type NotificationRequest = Static<typeof NotificationRequest.schema>;

/** An object of a request as it is in the record: also inside, a field that a newer producer adds must not make a record unreadable. */
const opened = <T extends TProperties>(object: TObject<T>): TObject<T> =>
  Type.Object({ ...object.properties }, { additionalProperties: true });

/**
 * The record that a request becomes, on one of the request topics. Open: a consumer of today must read the record of a
 * newer producer (docs/adr/0003).
 */
export const NotificationRequested = contract(
  Type.Object(
    {
      ...fields,
      recipient: Type.Object(
        { ...Recipient.properties, webhook: Type.Optional(opened(Webhook)) },
        { additionalProperties: true },
      ),
      content: Type.Optional(opened(Content)),
      id: Type.String({ format: 'uuid' }),
      tenant: Type.String({ minLength: 1, maxLength: 64 }),
      channels: Channels,
      priority: oneOf(PRIORITIES),
      acceptedAt: Type.String({ format: 'date-time' }),
      apiKeyId: Type.String({ minLength: 1, maxLength: 128 }),
    },
    { additionalProperties: true, title: 'NotificationRequested' },
  ),
);
export type NotificationRequested = Static<typeof NotificationRequested.schema>;

/** A cancellation, on the commands topic. It wins over its request even when it overtakes it. */
export const CancelRequested = contract(
  Type.Object(
    {
      notificationId: Type.String({ format: 'uuid' }),
      tenant: Type.String({ minLength: 1, maxLength: 64 }),
      requestedAt: Type.String({ format: 'date-time' }),
      apiKeyId: Type.String({ minLength: 1, maxLength: 128 }),
    },
    { additionalProperties: true, title: 'CancelRequested' },
  ),
);
export type CancelRequested = Static<typeof CancelRequested.schema>;
