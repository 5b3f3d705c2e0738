import { setTimeout as sleep } from 'node:timers/promises';
import type { OutgoingRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { DataSource } from 'typeorm';
import { transaction, type Tx } from '../transaction.js';

/** The producer of the process. */
export interface RelayTarget {
  /** Sends the records in order; resolves when Kafka has all of them. */
  sendAll(records: OutgoingRecord[]): Promise<unknown>;
  /** How many bytes it takes at a time. A larger batch could be refused for ever. */
  readonly listBytes: number;
}

export interface RelayOptions {
  readonly dataSource: DataSource;
  readonly stream: string;
  readonly producer: RelayTarget;
  readonly logger: Logger;
  /** How many records are read and sent at a time, at most; fewer when their values are too large together. */
  readonly batch?: number;
  /** How long a relay that was not notified waits before it looks by itself, milliseconds. */
  readonly pollMs?: number;
}

/**
 * Sends a stream of the outbox to Kafka, in order, at least once. The stream's relay row is locked while a batch is on its
 * way, so that of several replicas one relays and the others skip; a relay that dies in between leaves its batch to be
 * sent again, with the same event ids.
 */
export class OutboxRelay {
  readonly #options: Required<RelayOptions>;
  #running: Promise<void> | undefined;
  #stopping = false;
  #wake: (() => void) | undefined;
  #notified = false;

  constructor(options: RelayOptions) {
    this.#options = { batch: 1000, pollMs: 1000, ...options };
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Something was committed: do not wait for the next look. */
  notify(): void {
    this.#notified = true;
    this.#wake?.();
  }

  /** Sends what is there, then ends; gives up after `deadlineMs`, as what is left is safe in the outbox. */
  async stop(deadlineMs = 3000): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    const deadline = sleep(deadlineMs, 'late', { ref: false });
    if ((await Promise.race([this.#running, deadline])) === 'late') {
      this.#options.logger.warn('The outbox could not be emptied; it will be after the next start');
    }
  }

  async #run(): Promise<void> {
    let delayMs = 100;
    for (;;) {
      try {
        this.#notified = false;
        const { sent, more } = await relayBatch(this.#options);
        delayMs = 100;
        if (this.#stopping && sent === 0) return;
        if (!more && !this.#notified) await this.#wait(this.#options.pollMs);
      } catch (error) {
        if (this.#stopping) return;
        this.#options.logger.warn({ err: error }, `The outbox waits: trying again in ${delayMs} ms`);
        await this.#wait(delayMs, false);
        delayMs = Math.min(delayMs * 2, 5000);
      }
    }
  }

  async #wait(ms: number, wakeable = true): Promise<void> {
    if (this.#stopping) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        // After a failure a notification is no reason to hurry: the back-off is.
        if (!wakeable && !this.#stopping) return;
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }
}

interface OutboxRow {
  seq: string;
  topic: string;
  key: string;
  headers: Record<string, string>;
  value: Buffer;
  /** How many would be sent if they were not too large together. */
  found: string;
}

/** What was sent of a stream. */
export interface Relayed {
  /** The number of records; 0 also when another replica is at it. */
  readonly sent: number;
  /** Whether there may be more to send at once. */
  readonly more: boolean;
}

/** Relays one batch of a stream. */
export async function relayBatch(
  options: Pick<Required<RelayOptions>, 'dataSource' | 'stream' | 'producer' | 'batch'>,
): Promise<Relayed> {
  return transaction(options.dataSource, async (tx: Tx) => {
    const { stream, batch, producer } = options;
    const [relay] = await tx.query<{ relayed_seq: string }>(LOCK, [stream]);
    const rows = relay ? await tx.query<OutboxRow>(NEXT, [stream, relay.relayed_seq, batch, producer.listBytes]) : [];
    const last = rows.at(-1);
    if (!last) return { sent: 0, more: false };
    await producer.sendAll(rows.map(({ topic, key, headers, value }) => ({ topic, key, headers, value })));
    await tx.query(ADVANCE, [stream, last.seq]);
    return { sent: rows.length, more: Number(last.found) > rows.length || rows.length === batch };
  });
}

const LOCK = {
  name: 'outbox_lock',
  text: 'SELECT relayed_seq FROM outbox_relays WHERE stream = $1 FOR UPDATE SKIP LOCKED',
};
/** The length of a value is known without reading it: what would be too much is not read. */
const NEXT = {
  name: 'outbox_next',
  text: `
    SELECT seq, topic, key, headers, value, found
      FROM (SELECT *, count(*) OVER () AS found, sum(octet_length(value)) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS bytes
              FROM (SELECT seq, topic, key, headers, value FROM outbox WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3) o) o
     WHERE bytes <= $4 OR bytes = octet_length(value)
     ORDER BY seq`,
};
const ADVANCE = { name: 'outbox_advance', text: 'UPDATE outbox_relays SET relayed_seq = $2 WHERE stream = $1' };

/** How many records of all streams wait to be sent: the `outbox_pending` metric. */
export async function outboxPending(tx: Tx): Promise<number> {
  const [row] = await tx.query<{ pending: string | null }>(
    'SELECT sum(s.last_seq - r.relayed_seq) AS pending FROM outbox_streams s JOIN outbox_relays r USING (stream)',
  );
  return Number(row?.pending ?? 0);
}
