import { Type, type Static } from 'typebox';
import { contract } from '../schema/schema.js';
import { CHANNELS } from './status.js';

/** The reason in the fact about a delivery that was redriven. */
export const REDRIVEN = 'redriven';

/**
 * A dead delivery is to be tried again, on the commands topic. It answers the `dead` fact of that version and no other one:
 * whoever reads the command again, or another command about the same dead letter, finds a higher version and does nothing.
 */
export const RedriveRequested = contract(
  Type.Object(
    {
      notificationId: Type.String({ format: 'uuid' }),
      tenant: Type.String({ minLength: 1, maxLength: 64 }),
      deliveryId: Type.String({ format: 'uuid' }),
      channel: Type.Unsafe<(typeof CHANNELS)[number]>({ type: 'string', enum: CHANNELS }),
      version: Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Of the fact that said it was dead' }),
      notBefore: Type.String({
        format: 'date-time',
        description: "When it is due: a redrive's pace is in its commands",
      }),
      redriveId: Type.String({ format: 'uuid', description: 'The same in all commands of one redrive' }),
      requestedAt: Type.String({ format: 'date-time' }),
      requestedBy: Type.String({ minLength: 1, maxLength: 128, description: "The API key's id" }),
    },
    { additionalProperties: true, title: 'RedriveRequested' },
  ),
);
export type RedriveRequested = Static<typeof RedriveRequested.schema>;
