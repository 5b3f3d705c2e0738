import { BOOTSTRAP_IDENTITY, hashApiKey } from '@bongsu/contracts';
import type { ApiKeyDirectory, ApiKeyIdentity } from '@bongsu/http';
import type { Logger } from '@bongsu/observability';
import { MoreThan } from 'typeorm';
import type { Database } from '../database/database.js';
import { ApiKey } from './api-key.entity.js';

/** How often changes of other replicas are looked for. A revoked key is refused everywhere about this much later. */
const REFRESH_MS = 1_000;
/** And how often all of them are read again, for a change that became visible long after its time says. */
const REFRESH_ALL_MS = 60_000;
/** A row may become visible later than its time says (its transaction was still open), so each look reaches back a little. */
const OVERLAP_MS = 15_000;

/**
 * Every API key in force, in memory. It follows the database and keeps what it knows while that is away, so that requests
 * are authenticated without it; the bootstrap key is there from the first moment.
 */
export class KeyDirectory implements ApiKeyDirectory {
  private readonly identities = new Map<string, ApiKeyIdentity>();
  private readonly database: Database;
  private readonly logger: Logger;
  private timer: NodeJS.Timeout | undefined;
  private refreshing = false;
  private since = new Date(0);
  private lastFull = 0;
  complete = false;

  constructor(options: { database: Database; logger: Logger; bootstrapKey: string | undefined }) {
    this.database = options.database;
    this.logger = options.logger;
    if (options.bootstrapKey !== undefined) this.identities.set(hashApiKey(options.bootstrapKey), BOOTSTRAP_IDENTITY);
  }

  find(hash: string): ApiKeyIdentity | undefined {
    return this.identities.get(hash);
  }

  /** Starts following the database. */
  start(): void {
    this.timer = setInterval(() => void this.refresh(), REFRESH_MS).unref();
    void this.database.reached.then(() => this.refresh());
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Takes a key's new state at once, on the replica that changed it. */
  apply(key: Pick<ApiKey, 'id' | 'hash' | 'tenant' | 'scopes' | 'expiresAt' | 'revokedAt'>): void {
    const { id, hash, tenant, scopes, expiresAt, revokedAt } = key;
    if (revokedAt) this.identities.delete(hash);
    else this.identities.set(hash, { id, tenant, scopes, expiresAt: expiresAt?.getTime() });
  }

  private async refresh(): Promise<void> {
    if (this.refreshing || !this.database.isReady) return;
    this.refreshing = true;
    try {
      const full = Date.now() - this.lastFull >= REFRESH_ALL_MS;
      if (full) this.since = new Date(OVERLAP_MS);
      const changed = await this.database.repository(ApiKey).find({
        where: { updatedAt: MoreThan(new Date(this.since.getTime() - OVERLAP_MS)) },
        order: { updatedAt: 'ASC' },
      });
      for (const key of changed) this.apply(key);
      this.since = changed.at(-1)?.updatedAt ?? this.since;
      if (full) this.lastFull = Date.now();
      this.complete = true;
    } catch (error) {
      this.logger.debug({ err: error }, 'API keys could not be refreshed; those known stay in force');
    } finally {
      this.refreshing = false;
    }
  }
}
