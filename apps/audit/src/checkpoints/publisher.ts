import { chainName } from '@bongsu/audit-chain';
import { CHECKPOINT_SIGNED, TOPICS, type OutgoingRecord } from '@bongsu/contracts';
import type { Database } from '../database/database.js';
import { NOTE_PUBLISHED, TRY_LOCK_PUBLISHING, UNPUBLISHED } from './sql/publications.js';

export interface Chain {
  readonly topic: string;
  readonly partition: number;
}

interface UnpublishedRow extends Chain {
  readonly size: string;
  readonly note: string;
  readonly signed_ms: string;
}

/** Sends records in order; resolves when Kafka has them all. */
export type SendAll = (records: readonly OutgoingRecord[]) => Promise<unknown>;

/**
 * Publishes stored checkpoints that Kafka does not have yet, and notes that it has them. A process that dies between the two
 * publishes them again: a checkpoint in the topic twice says the same twice.
 * @returns how many
 */
export function publish(database: Database, chains: readonly Chain[], sendAll: SendAll): Promise<number> {
  return database.transaction(async (tx) => {
    const [lock] = await tx.query<{ locked: boolean }>(TRY_LOCK_PUBLISHING);
    if (lock?.locked !== true) return 0;
    const columns = [chains.map(({ topic }) => topic), chains.map(({ partition }) => partition)];
    const rows = await tx.query<UnpublishedRow>(UNPUBLISHED, columns);
    if (rows.length === 0) return 0;
    await sendAll(rows.map(recordOf));
    await tx.query(NOTE_PUBLISHED, [
      rows.map(({ topic }) => topic),
      rows.map(({ partition }) => partition),
      rows.map(({ size }) => size),
    ]);
    return rows.length;
  });
}

function recordOf({ topic, partition, size, note, signed_ms }: UnpublishedRow): OutgoingRecord {
  const chain = chainName(topic, partition);
  return {
    topic: TOPICS.checkpoints.name,
    key: chain,
    value: Buffer.from(note),
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      ce_specversion: '1.0',
      ce_id: `${chain}@${size}`,
      ce_source: '/bongsu/audit',
      ce_type: CHECKPOINT_SIGNED,
      ce_subject: chain,
      ce_time: new Date(Number(signed_ms)).toISOString(),
    },
  };
}
