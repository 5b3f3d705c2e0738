import type { OutgoingRecord } from '@bongsu/contracts';
import type { Tx } from '../transaction.js';

/**
 * The outbox's tables, for a service's migration. Rows are append-only and leave with their day's partition; what was
 * relayed is one number per stream, not a mark on each row (docs/adr/0009).
 */
export const OUTBOX_TABLES = `
  CREATE TABLE outbox (
    stream text NOT NULL,
    seq bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    topic text NOT NULL,
    key text NOT NULL,
    headers jsonb NOT NULL,
    value bytea NOT NULL,
    PRIMARY KEY (stream, seq, created_at)
  ) PARTITION BY RANGE (created_at);
  CREATE TABLE outbox_default PARTITION OF outbox DEFAULT;
  CREATE TABLE outbox_streams (stream text PRIMARY KEY, last_seq bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50);
  CREATE TABLE outbox_relays (stream text PRIMARY KEY, relayed_seq bigint NOT NULL DEFAULT 0) WITH (fillfactor = 50)`;

/** The stream was closed by another process: the writer has been taken for dead and must write nothing more. */
export class StreamClosedError extends Error {
  constructor(stream: string) {
    super(`Outbox stream ${stream} is closed: another process took over`);
    this.name = 'StreamClosedError';
  }
}

/**
 * Records that must go to Kafka because a transaction committed. Within a stream they are sent in the order of their
 * transactions: writers of one stream take turns on its row, so that sequence order is commit order.
 */
export const Outbox = {
  /** Makes a stream; does nothing when it exists. */
  async open(tx: Tx, stream: string): Promise<void> {
    await tx.query('INSERT INTO outbox_streams (stream) VALUES ($1) ON CONFLICT DO NOTHING', [stream]);
    await tx.query('INSERT INTO outbox_relays (stream) VALUES ($1) ON CONFLICT DO NOTHING', [stream]);
  },

  /** Adds records at the end of a stream, in the caller's transaction. Throws StreamClosedError. */
  async append(tx: Tx, stream: string, records: readonly OutgoingRecord[]): Promise<void> {
    if (records.length === 0) return;
    const [row] = await tx.query<{ last_seq: string }>(RESERVE, [stream, records.length]);
    if (!row) throw new StreamClosedError(stream);
    const first = BigInt(row.last_seq) - BigInt(records.length);
    await tx.query(APPEND, [
      stream,
      first.toString(),
      records.map((record) => record.topic),
      records.map((record) => record.key),
      records.map((record) => JSON.stringify(record.headers)),
      records.map((record) => record.value),
    ]);
  },

  /** Closes a stream for good: a later append of its former writer fails. Everything in it must have been relayed. */
  async close(tx: Tx, stream: string): Promise<void> {
    await tx.query('DELETE FROM outbox_streams WHERE stream = $1', [stream]);
    await tx.query('DELETE FROM outbox_relays WHERE stream = $1', [stream]);
  },
};

const RESERVE = {
  name: 'outbox_reserve',
  text: 'UPDATE outbox_streams SET last_seq = last_seq + $2 WHERE stream = $1 RETURNING last_seq',
};

const APPEND = {
  name: 'outbox_append',
  text: `
    INSERT INTO outbox (stream, seq, topic, key, headers, value)
    SELECT $1, $2::bigint + r.n, r.topic, r.key, r.headers::jsonb, r.value
      FROM unnest($3::text[], $4::text[], $5::text[], $6::bytea[]) WITH ORDINALITY AS r (topic, key, headers, value, n)`,
};
