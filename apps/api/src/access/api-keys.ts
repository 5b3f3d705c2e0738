import { randomBytes } from 'node:crypto';
import {
  ACCESS_KEY_CHANGED,
  BongsuError,
  encodeEvent,
  hashApiKey,
  newEventId,
  TOPICS,
  type AccessKeyChanged,
  type OutgoingRecord,
  type Scope,
} from '@bongsu/contracts';
import { Outbox } from '@bongsu/persistence';
import { LessThan } from 'typeorm';
import type { Database } from '../database/database.js';
import { ApiKey } from './api-key.entity.js';
import type { KeyDirectory } from './key-directory.js';

export const ACCESS_STREAM = 'access';

/** Scopes of a key that was asked for without any: enough to send and to see what became of it. */
const DEFAULT_SCOPES: readonly Scope[] = ['notifications:write', 'notifications:read'];

export interface NewApiKey {
  readonly name: string;
  readonly tenant: string;
  readonly scopes?: readonly Scope[];
  readonly expiresAt?: Date | undefined;
}

/**
 * Makes, lists and revokes API keys. Each change is published in the transaction that makes it, by the outbox. `tenant`
 * limits to one tenant's keys; undefined is the operator, who sees all.
 */
export class ApiKeys {
  private readonly database: Database;
  private readonly directory: KeyDirectory;
  private readonly published: () => void;

  /** @param published called after each change, so that the outbox need not be polled */
  constructor(database: Database, directory: KeyDirectory, published: () => void) {
    this.database = database;
    this.directory = directory;
    this.published = published;
  }

  /**
   * @param changedBy the id of the API key that asks for it, for the record
   * @returns The new key and its secret, which is nowhere else from now on: 256 random bits.
   */
  async create(asked: NewApiKey, changedBy: string): Promise<{ key: ApiKey; secret: string }> {
    const secret = `bongsu_${randomBytes(32).toString('base64url')}`;
    const scopes = [...new Set(asked.scopes ?? DEFAULT_SCOPES)];
    const id = newEventId();
    const key = await this.change(changedBy, INSERT_KEY, [
      id,
      asked.tenant,
      asked.name,
      hashApiKey(secret),
      scopes,
      asked.expiresAt ?? null,
    ]);
    return { key: key!, secret };
  }

  async list(tenant: string | undefined, limit: number, afterId: string | undefined): Promise<ApiKey[]> {
    return this.database.soon(() =>
      this.database.repository(ApiKey).find({
        where: {
          ...(tenant === undefined ? {} : { tenant }),
          ...(afterId === undefined ? {} : { id: LessThan(afterId) }),
        },
        order: { id: 'DESC' },
        take: limit,
      }),
    );
  }

  /** Revokes a key; one that was revoked before stays so. Throws not_found also for another tenant's. */
  async revoke(id: string, tenant: string | undefined, changedBy: string): Promise<void> {
    const key = await this.change(changedBy, REVOKE_KEY, [id, tenant ?? null]);
    if (!key) throw new BongsuError('not_found', 'There is no such API key');
  }

  private async change(changedBy: string, sql: string, values: readonly unknown[]): Promise<ApiKey | undefined> {
    const changed = await this.database.soon(() =>
      this.database.transaction(async (tx) => {
        const [row] = await tx.query<ApiKey>(sql, values);
        if (row) await Outbox.append(tx, ACCESS_STREAM, [changedEvent(row, changedBy)]);
        return row;
      }),
    );
    if (changed) {
      this.directory.apply(changed);
      this.published();
    }
    return changed;
  }
}

const COLUMNS = `id, tenant, name, hash, scopes, created_at AS "createdAt", expires_at AS "expiresAt", revoked_at AS "revokedAt",
  updated_at AS "updatedAt"`;

const INSERT_KEY = `
  INSERT INTO api_keys (id, tenant, name, hash, scopes, created_at, expires_at, updated_at)
  VALUES ($1, $2, $3, $4, $5, now(), $6, now())
  RETURNING ${COLUMNS}`;

/** `coalesce` keeps the time of the first revocation. */
const REVOKE_KEY = `
  UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()), updated_at = now()
   WHERE id = $1 AND ($2::text IS NULL OR tenant = $2)
  RETURNING ${COLUMNS}`;

function changedEvent(key: ApiKey, changedBy: string): OutgoingRecord {
  const data: AccessKeyChanged = {
    id: key.id,
    tenant: key.tenant,
    name: key.name,
    hash: key.hash,
    scopes: key.scopes,
    createdAt: key.createdAt.toISOString(),
    changedBy,
    ...(key.expiresAt ? { expiresAt: key.expiresAt.toISOString() } : {}),
    ...(key.revokedAt ? { revokedAt: key.revokedAt.toISOString() } : {}),
  };
  return encodeEvent(TOPICS.accessKeys, key.id, {
    id: newEventId(),
    source: '/bongsu/api',
    type: ACCESS_KEY_CHANGED,
    subject: key.id,
    time: new Date().toISOString(),
    data,
  });
}
