import { Type, type Static } from 'typebox';
import { RecipientId } from '../notifications/request.js';
import { contract } from '../schema/schema.js';

/**
 * Everything personal about a recipient is to be erased, on the directory of recipients. It is about what was accepted up to
 * `erasedAt`; a notification that is accepted later is a new one, and sent.
 */
export const RecipientErased = contract(
  Type.Object(
    {
      erasureId: Type.String({ format: 'uuid' }),
      tenant: Type.String({ minLength: 1, maxLength: 64 }),
      recipientId: RecipientId,
      erasedAt: Type.String({ format: 'date-time' }),
      apiKeyId: Type.String({ minLength: 1, maxLength: 128, description: 'Whose key asked for it' }),
    },
    { additionalProperties: true, title: 'RecipientErased' },
  ),
);
export type RecipientErased = Static<typeof RecipientErased.schema>;

/** What stands in for a text that was erased where a text must be. */
export const ERASED = 'erased';
