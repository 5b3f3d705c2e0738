import { decodeHeaders } from '@bongsu/audit-chain';
import {
  BOOTSTRAP_IDENTITY,
  decodeEvent,
  hashApiKey,
  TOPICS,
  type AccessKeyChanged,
  type RawRecord,
} from '@bongsu/contracts';
import type { ApiKeyDirectory, ApiKeyIdentity } from '@bongsu/http';
import type { Logger } from '@bongsu/observability';
import type { Database } from '../database/database.js';

/** A key that was revoked is refused after this time at the latest, once its record is in the chain. */
const EVERY_MS = 1_000;
const PAGE = 500;

const NEXT_RECORDS = {
  name: 'audit_next_access_records',
  text: `SELECT sequence, "offset", timestamp_ms, key, headers, payload FROM records
    WHERE kind = 'record' AND topic = $1 AND partition = $2 AND sequence > $3 ORDER BY sequence LIMIT ${PAGE}`,
};

/** How far the topic's chains reach; from one partition to the next in the primary key's index, without reading records. */
const REACH = {
  name: 'audit_access_reach',
  text: `
    WITH RECURSIVE found AS (
      (SELECT partition FROM records WHERE topic = $1 ORDER BY partition LIMIT 1)
      UNION ALL
      SELECT following.partition FROM found, LATERAL (
        SELECT partition FROM records WHERE topic = $1 AND partition > found.partition ORDER BY partition LIMIT 1
      ) following
    )
    SELECT partition, sequence FROM found, LATERAL (
      SELECT sequence FROM records WHERE topic = $1 AND partition = found.partition ORDER BY sequence DESC LIMIT 1
    ) last`,
};

interface KeyRow {
  readonly sequence: string;
  readonly offset: string;
  readonly timestamp_ms: string;
  readonly key: Buffer | null;
  readonly headers: Buffer;
  readonly payload: Buffer | null;
}

/**
 * The service's copy of the API keys. It needs no table and no consumer of its own: the chains of `access.keys.v1` hold
 * every change in order, also those that another replica appended, and are read on from where they were read to.
 */
export class ApiKeys implements ApiKeyDirectory {
  complete = false;
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #bootstrapHash: string | undefined;
  readonly #readUpTo = new Map<number, bigint>();
  /** By record key (the key's id), and by the hash of the API key itself. */
  readonly #hashes = new Map<string, string>();
  readonly #identities = new Map<string, ApiKeyIdentity>();
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(database: Database, bootstrapKey: string | undefined, logger: Logger) {
    this.#database = database;
    this.#bootstrapHash = bootstrapKey === undefined ? undefined : hashApiKey(bootstrapKey);
    this.#logger = logger;
  }

  find(hash: string): ApiKeyIdentity | undefined {
    return hash === this.#bootstrapHash ? BOOTSTRAP_IDENTITY : this.#identities.get(hash);
  }

  /** Goes on reading until `stop`; an outage of the database is waited out with the keys that are known. */
  start(): void {
    this.refresh()
      .catch((error: unknown) => this.#logger.warn({ err: error }, 'API keys could not be read, trying again'))
      .finally(() => {
        if (!this.#stopped) this.#timer = setTimeout(() => this.start(), EVERY_MS);
      });
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  /** Reads what was appended since the last time. Rejects when the database cannot be read. */
  async refresh(): Promise<void> {
    const { name: topic } = TOPICS.accessKeys;
    const reach = await this.#database.query<{ partition: number; sequence: string }>(REACH, [topic]);
    for (const { partition, sequence } of reach) {
      while ((this.#readUpTo.get(partition) ?? 0n) < BigInt(sequence)) await this.#readPage(partition);
    }
    this.complete = true;
  }

  async #readPage(partition: number): Promise<void> {
    const { name: topic } = TOPICS.accessKeys;
    const rows = await this.#database.query<KeyRow>(NEXT_RECORDS, [
      topic,
      partition,
      this.#readUpTo.get(partition) ?? 0n,
    ]);
    const last = rows.at(-1);
    if (!last) throw new Error(`The chain ${topic}/${partition} ends before its head`);
    for (const row of rows) this.#apply(partition, row);
    this.#readUpTo.set(partition, BigInt(last.sequence));
  }

  #apply(partition: number, row: KeyRow): void {
    const id = row.key?.toString('utf8');
    if (id === undefined) return;
    const change = row.payload === null ? undefined : this.#decoded(partition, row);
    if (change === 'unreadable') return;
    const before = this.#hashes.get(id);
    if (before !== undefined) this.#identities.delete(before);
    this.#hashes.delete(id);
    if (change === undefined || change.revokedAt !== undefined) return;
    this.#hashes.set(id, change.hash);
    const expiresAt = change.expiresAt === undefined ? undefined : Date.parse(change.expiresAt);
    this.#identities.set(change.hash, { id: change.id, tenant: change.tenant, scopes: change.scopes, expiresAt });
  }

  /** A record that is no change of a key gives nobody access and takes none away. */
  #decoded(partition: number, row: KeyRow): AccessKeyChanged | 'unreadable' {
    const raw: RawRecord = {
      topic: TOPICS.accessKeys.name,
      partition,
      offset: BigInt(row.offset),
      timestamp: BigInt(row.timestamp_ms),
      key: row.key,
      value: row.payload,
      headers: decodeHeaders(row.headers).map(([name, value]) => [name, value ?? Buffer.alloc(0)] as const),
    };
    try {
      return decodeEvent(TOPICS.accessKeys, raw).event.data as AccessKeyChanged;
    } catch (error) {
      this.#logger.warn({ err: error, partition, sequence: row.sequence }, 'A record of an API key cannot be read');
      return 'unreadable';
    }
  }
}
