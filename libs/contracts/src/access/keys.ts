import { hash } from 'node:crypto';
import { Type, type Static } from 'typebox';
import { contract } from '../schema/schema.js';

/** What an API key may do. `admin` includes every other scope. */
export const SCOPES = ['notifications:write', 'notifications:read', 'audit:read', 'recipients:erase', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export const allows = (held: readonly Scope[], needed: Scope): boolean =>
  held.includes('admin') || held.includes(needed);

/** The one form in which a key is stored or published. A plain hash is enough: the key is 256 random bits, not a password. */
export const hashApiKey = (key: string): string => hash('sha256', key, 'hex');

/** What `BOOTSTRAP_API_KEY` may look like. */
export const API_KEY_PATTERN = '^[A-Za-z0-9_-]{32,256}$';

/** Who the key of `BOOTSTRAP_API_KEY` is. */
export const BOOTSTRAP_IDENTITY = {
  id: 'bootstrap',
  tenant: 'default',
  scopes: ['admin'] as readonly Scope[],
} as const;

export const AccessKeyChanged = contract(
  Type.Object(
    {
      id: Type.String({ minLength: 1, maxLength: 128 }),
      tenant: Type.String({ minLength: 1, maxLength: 64 }),
      name: Type.String({ maxLength: 128 }),
      hash: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256 of the key, hexadecimal' }),
      scopes: Type.Array(Type.Unsafe<Scope>({ type: 'string', enum: SCOPES })),
      createdAt: Type.String({ format: 'date-time' }),
      expiresAt: Type.Optional(Type.String({ format: 'date-time' })),
      revokedAt: Type.Optional(Type.String({ format: 'date-time' })),
      changedBy: Type.Optional(
        Type.String({ maxLength: 128, description: 'The id of the API key that asked for the change' }),
      ),
    },
    { additionalProperties: true, title: 'AccessKeyChanged' },
  ),
);
export type AccessKeyChanged = Static<typeof AccessKeyChanged.schema>;
