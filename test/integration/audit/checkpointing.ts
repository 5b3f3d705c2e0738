import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CompactRange, KeyRing, privateKey, SigningKey, splitNotes, type SignedCheckpoint } from '@bongsu/audit-chain';
import { registry } from '@bongsu/observability';
import { afterEach, beforeAll, beforeEach } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { CheckpointKeys } from '../../../apps/audit/src/checkpoints/checkpoint-keys.js';
import { Checkpointer, type CheckpointerOptions } from '../../../apps/audit/src/checkpoints/checkpointer.js';
import type { SendAll } from '../../../apps/audit/src/checkpoints/publisher.js';
import type { Database } from '../../../apps/audit/src/database/database.js';
import { freshAudit, logger, raws, salts, type AuditDatabase } from './database.js';

export const TOPIC = 'notification.events.v1';
const keyOf = (letter: string) => privateKey(Buffer.alloc(32, letter).toString('base64'));
export const keys = (current: string, previous?: string): CheckpointKeys =>
  new CheckpointKeys({
    AUDIT_SIGNING_KEY: keyOf(current),
    AUDIT_PREVIOUS_SIGNING_KEY: previous === undefined ? undefined : keyOf(previous),
    AUDIT_ORIGIN: 'bongsu',
  });
export const ringOf = (letter: string): KeyRing => new KeyRing(new SigningKey('bongsu', keyOf(letter)).verifier);

export let audit: AuditDatabase;
export let file: string;
/** The time that the checkpointers see. */
export const clock = { now: 0 };
let folder: string;
const opened: Checkpointer[] = [];

/** What Kafka was given. */
export const sent: string[] = [];
export const toList: SendAll = (records) => {
  sent.push(...records.map(({ value }) => value.toString()));
  return Promise.resolve();
};

/** For each test of the file a store of its own, and no checkpointer left over. */
export function withFreshStore(): void {
  beforeAll(() => {
    clock.now = Date.now();
  });
  beforeEach(async () => {
    sent.length = 0;
    audit = await freshAudit();
    folder = mkdtempSync(join(tmpdir(), 'bongsu-checkpoints-'));
    file = join(folder, 'checkpoints');
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((each) => each.stop()));
    await audit.close();
    rmSync(folder, { recursive: true });
  });
}

export function checkpointer(more: Partial<CheckpointerOptions> = {}): Checkpointer {
  const made = new Checkpointer({
    database: audit.database,
    keys: keys('1'),
    every: { records: 1, ms: 1_000 },
    file,
    sendAll: toList,
    logger,
    now: () => clock.now,
    ...more,
  });
  opened.push(made);
  return made;
}

export const append = (from: number, to: number, partition = 0, database: Database = audit.database): Promise<number> =>
  new Appender(database, salts, logger).append(
    TOPIC,
    partition,
    raws(from, to).map((each) => ({ ...each, partition })),
  );

export interface Row {
  readonly partition: number;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}
export const stored = async (partition = 0): Promise<Row[]> => {
  const sql =
    'SELECT partition, size::integer, root, note FROM checkpoints WHERE topic = $1 AND partition = $2 ORDER BY size';
  return await audit.database.query<Row>(sql, [TOPIC, partition]);
};
export const sizes = async (partition = 0): Promise<number[]> => (await stored(partition)).map(({ size }) => size);
export const inFile = (): string[] => [...splitNotes(readFileSync(file, 'utf8'))];
export const opens = (ring: KeyRing, note: string): SignedCheckpoint => {
  const checkpoint = ring.open(note);
  if ('refused' in checkpoint) throw new Error(`${checkpoint.refused}: ${checkpoint.why}`);
  return checkpoint;
};
export const rootOf = async (size: number): Promise<Buffer> => {
  const range = new CompactRange();
  const rows = await audit.database.query<{ hash: Buffer }>(
    'SELECT hash FROM records WHERE topic = $1 AND partition = 0 AND sequence <= $2 ORDER BY sequence',
    [TOPIC, size],
  );
  for (const { hash } of rows) range.append(hash);
  return range.root();
};
export const failures = async (): Promise<number> =>
  Number(/^audit_verify_failures_total (\d+)/m.exec(await registry.metrics())?.[1]);
