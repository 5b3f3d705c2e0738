import type { Scope } from '@bongsu/contracts';

/** Who a key belongs to and what it may do. */
export interface ApiKeyIdentity {
  readonly id: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
  /** Milliseconds since 1970; undefined when the key does not expire. */
  readonly expiresAt?: number | undefined;
}

/** All API keys that are in force, in memory: a request is authenticated without asking anybody. */
export interface ApiKeyDirectory {
  /** @param hash contracts' `hashApiKey` of the key */
  find(hash: string): ApiKeyIdentity | undefined;
  /** False until the keys have been read once: a key that is not found may exist all the same. */
  readonly complete: boolean;
}

/** The provider of the service's ApiKeyDirectory. */
export const API_KEY_DIRECTORY = Symbol('ApiKeyDirectory');

/** Who makes the request. */
export interface CallerIdentity {
  readonly keyId: string;
  readonly tenant: string;
  readonly scopes: readonly Scope[];
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set for every route under /v1/, before its body is read. */
    caller: CallerIdentity | null;
  }
}
