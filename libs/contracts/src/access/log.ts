import { Type, type Static } from 'typebox';
import { contract } from '../schema/schema.js';

const at = Type.String({ format: 'date-time' });
const route = {
  service: Type.String({ maxLength: 64, description: 'Which one was asked' }),
  method: Type.String({ maxLength: 16 }),
  route: Type.String({ maxLength: 256, description: 'As declared, without what the caller put into it' }),
};
const open = { additionalProperties: true } as const;

/** Whose record it is when nobody knows the key. */
export const UNKNOWN_TENANT = '-';

/** Requests that were refused because of their key: unknown, expired, or without the scope. Alike ones of a minute are one record. */
export const AccessRefused = contract(
  Type.Object(
    {
      ...route,
      tenant: Type.String({ minLength: 1, maxLength: 64, description: `${UNKNOWN_TENANT} when the key is unknown` }),
      status: Type.Integer({ description: '401 or 403' }),
      apiKeyId: Type.Optional(Type.String({ maxLength: 128 })),
      keyFingerprint: Type.Optional(
        Type.String({
          pattern: '^[0-9a-f]{12}$',
          description: "The beginning of the key's SHA-256: tells keys apart and no more",
        }),
      ),
      remoteAddress: Type.String({ maxLength: 64 }),
      count: Type.Integer({ minimum: 1 }),
      from: at,
      to: at,
    },
    { ...open, title: 'AccessRefused' },
  ),
);
export type AccessRefused = Static<typeof AccessRefused.schema>;

/** Somebody was shown records of the audit trail. */
export const AuditRead = contract(
  Type.Object(
    {
      ...route,
      tenant: Type.String({ minLength: 1, maxLength: 64, description: "The reader's" }),
      apiKeyId: Type.String({ minLength: 1, maxLength: 128 }),
      parameters: Type.Record(Type.String(), Type.String(), { description: 'What was asked for' }),
      requestId: Type.String({ maxLength: 128 }),
      at,
    },
    { ...open, title: 'AuditRead' },
  ),
);
export type AuditRead = Static<typeof AuditRead.schema>;
