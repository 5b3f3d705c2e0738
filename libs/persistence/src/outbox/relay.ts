import { setTimeout as sleep } from 'node:timers/promises';
import type { OutgoingRecord } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { DataSource } from 'typeorm';
import { transaction, type Tx } from '../transaction.js';

export interface RelayOptions {
  readonly dataSource: DataSource;
  readonly stream: string;
  /** Sends the records in order; resolves when Kafka has all of them. */
  readonly send: (records: OutgoingRecord[]) => Promise<unknown>;
  readonly logger: Logger;
  /** How many records are read and sent at a time. */
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
    let { batch } = this.#options;
    for (;;) {
      try {
        this.#notified = false;
        const sent = await relayBatch({ ...this.#options, batch });
        delayMs = 100;
        if (this.#stopping && sent === 0) return;
        if (sent < batch && !this.#notified) await this.#wait(this.#options.pollMs);
        batch = Math.min(batch * 2, this.#options.batch);
      } catch (error) {
        if (this.#stopping) return;
        // A batch that was refused may be more than the producer ever takes (KAFKA_BUFFER_MEMORY; templates have up to 256 KB):
        // the same one again would be refused for ever.
        batch = Math.ceil(batch / 2);
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
}

/** Relays one batch of a stream; gives the number of records sent, 0 also when another replica is at it. */
export async function relayBatch(
  options: Pick<Required<RelayOptions>, 'dataSource' | 'stream' | 'send' | 'batch'>,
): Promise<number> {
  return transaction(options.dataSource, async (tx: Tx) => {
    const [relay] = await tx.query<{ relayed_seq: string }>(LOCK, [options.stream]);
    if (!relay) return 0;
    const rows = await tx.query<OutboxRow>(NEXT, [options.stream, relay.relayed_seq, options.batch]);
    const last = rows.at(-1);
    if (!last) return 0;
    await options.send(rows.map(({ topic, key, headers, value }) => ({ topic, key, headers, value })));
    await tx.query(ADVANCE, [options.stream, last.seq]);
    return rows.length;
  });
}

const LOCK = {
  name: 'outbox_lock',
  text: 'SELECT relayed_seq FROM outbox_relays WHERE stream = $1 FOR UPDATE SKIP LOCKED',
};
const NEXT = {
  name: 'outbox_next',
  text: 'SELECT seq, topic, key, headers, value FROM outbox WHERE stream = $1 AND seq > $2 ORDER BY seq LIMIT $3',
};
const ADVANCE = { name: 'outbox_advance', text: 'UPDATE outbox_relays SET relayed_seq = $2 WHERE stream = $1' };

/** How many records of all streams wait to be sent: the `outbox_pending` metric. */
export async function outboxPending(tx: Tx): Promise<number> {
  const [row] = await tx.query<{ pending: string | null }>(
    'SELECT sum(s.last_seq - r.relayed_seq) AS pending FROM outbox_streams s JOIN outbox_relays r USING (stream)',
  );
  return Number(row?.pending ?? 0);
}
