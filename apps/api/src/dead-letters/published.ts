import { CHANNELS, contract, PRIORITIES, RecipientId } from '@bongsu/contracts';
import { Type, type Static } from 'typebox';

const time = Type.String({ format: 'date-time' });
const id = Type.String({ format: 'uuid' });
const oneOf = (values: readonly string[]) => Type.Unsafe<string>({ type: 'string', enum: values });
const closed = { additionalProperties: false } as const;

/** A delivery that ran out of attempts. */
export const DeadLetterSchema = Type.Object(
  {
    deliveryId: id,
    notificationId: id,
    recipient: Type.String({ description: "The recipient's id" }),
    channel: oneOf(CHANNELS),
    provider: Type.Unsafe<string | null>({ type: ['string', 'null'] }),
    attempts: Type.Integer({ minimum: 0 }),
    error: Type.Object(
      { code: Type.String(), message: Type.String() },
      { ...closed, description: 'Of the last attempt' },
    ),
    deadAt: time,
    priority: Type.Optional(oneOf(PRIORITIES)),
  },
  { ...closed, title: 'DeadLetter' },
);

export const MAX_REASON = 64;
/** When a redrive names no rate, per second. */
export const DEFAULT_RATE = 100;
const MAX_RATE = 10_000;
const clockTime = (description: string) =>
  Type.Optional(Type.String({ format: 'date-time', maxLength: 40, description }));

/** The body of POST /v1/dead-letters/redrive. The filter must be there: everything is redriven only by who writes {}. */
export const RedriveRequest = contract(
  Type.Object(
    {
      filter: Type.Object(
        {
          recipient: Type.Optional(RecipientId),
          channel: Type.Optional(oneOf(CHANNELS)),
          notification: Type.Optional(id),
          reason: Type.Optional(
            Type.String({ minLength: 1, maxLength: MAX_REASON, description: "The code of the last attempt's error" }),
          ),
          from: clockTime('Dead since then or later'),
          to: clockTime('Dead before then'),
        },
        { ...closed, description: 'Which ones; {} for all of them' },
      ),
      dryRun: Type.Optional(Type.Boolean({ description: 'Only say how many' })),
      ratePerSecond: Type.Optional(
        Type.Number({
          exclusiveMinimum: 0,
          maximum: MAX_RATE,
          description: `How many may become due per second (${DEFAULT_RATE} when left out)`,
        }),
      ),
      limit: Type.Optional(Type.Integer({ minimum: 1, description: 'No more than so many, the longest dead first' })),
    },
    { ...closed, title: 'RedriveRequest' },
  ),
);
export type RedriveRequest = Static<typeof RedriveRequest.schema>;

const matched = Type.Integer({ minimum: 0, description: 'Deliveries' });
export const MatchedSchema = Type.Object({ matched }, { ...closed, title: 'RedriveDryRun' });
export const RedriveSchema = Type.Object({ redriveId: id, matched }, { ...closed, title: 'Redrive' });
