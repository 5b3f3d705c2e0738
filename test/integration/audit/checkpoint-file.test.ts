import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { privateKey, splitNotes } from '@bongsu/audit-chain';
import { registry } from '@bongsu/observability';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { CheckpointKeys } from '../../../apps/audit/src/checkpoints/checkpoint-keys.js';
import { Checkpointer } from '../../../apps/audit/src/checkpoints/checkpointer.js';
import type { Database } from '../../../apps/audit/src/database/database.js';
import { freshAudit, logger, raws, salts, type AuditDatabase } from './database.js';

const TOPIC = 'notification.events.v1';

let audit: AuditDatabase;
let folder: string;
let making: Checkpointer;
const opened: Checkpointer[] = [];
beforeEach(async () => {
  audit = await freshAudit();
  folder = mkdtempSync(join(tmpdir(), 'bongsu-checkpoint-file-'));
  making = checkpointer(audit.database, 'checkpoints');
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(opened.splice(0).map((each) => each.stop()));
  await audit.close();
  rmSync(folder, { recursive: true });
});

function checkpointer(database: Database, file: string): Checkpointer {
  const made = new Checkpointer({
    database,
    keys: new CheckpointKeys({
      AUDIT_SIGNING_KEY: privateKey(Buffer.alloc(32, '1').toString('base64')),
      AUDIT_PREVIOUS_SIGNING_KEY: undefined,
      AUDIT_ORIGIN: 'bongsu',
    }),
    every: { records: 1, ms: 1_000 },
    file: join(folder, file),
    sendAll: () => Promise.resolve(),
    logger,
  });
  opened.push(made);
  return made;
}

const append = (from: number, to: number): Promise<number> =>
  new Appender(audit.database, salts, logger).append(TOPIC, 0, raws(from, to));

/** The next write to a file ends in the middle, as on a disk that is full. */
async function fillDisk(bytes: number): Promise<void> {
  const any = await open(join(folder, 'any'), 'w');
  const handles = Object.getPrototypeOf(any) as FileHandle;
  await any.close();
  vi.spyOn(handles, 'appendFile').mockImplementationOnce(async function (this: FileHandle, data) {
    await this.write((data as string).slice(0, bytes));
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  });
}

it.each([1, 60, 150])('a write that breaks off after %d characters leaves nothing between the notes', async (bytes) => {
  await append(0, 5);
  await making.round();
  await append(5, 9);
  await fillDisk(bytes);
  await expect(making.round()).rejects.toThrow('no space left');
  await append(9, 12);
  await making.round();
  const stored = await audit.database.query<{ note: string }>('SELECT note FROM checkpoints ORDER BY size');
  expect(stored).toHaveLength(3);
  expect([...splitNotes(readFileSync(join(folder, 'checkpoints'), 'utf8'))]).toEqual(stored.map(({ note }) => note));
});

const failures = async (): Promise<number> =>
  Number(/^audit_verify_failures_total (\d+)/m.exec(await registry.metrics())?.[1]);
const sizes = async (): Promise<number[]> =>
  (await audit.database.query<{ size: number }>('SELECT size::integer FROM checkpoints ORDER BY size')).map(
    ({ size }) => size,
  );

it.each([
  ['in one tile', [5, 9, 12]],
  ['over several tiles', [5, 600, 900]],
])('a file that another replica is ahead of is no contradiction: %s', async (_, [one, two, three]) => {
  const other = checkpointer(await audit.another(), 'others');
  await append(0, one!);
  await making.round();
  await append(one!, two!);
  await other.round();
  await append(two!, three!);
  const before = await failures();
  await making.round();
  expect([await sizes(), await failures()]).toEqual([[one, two, three], before]);
});

it('a store whose records were replaced, and which another replica has signed since, is not signed on', async () => {
  await append(0, 20);
  await making.round();
  await audit.owner.query('DELETE FROM records');
  await audit.owner.query('TRUNCATE checkpoints, checkpoint_publications, tree_tiles');
  await append(100, 130);
  const before = await failures();
  await checkpointer(await audit.another(), 'of a new replica').round();
  await append(130, 140);
  await making.round();
  await making.round();
  expect([await sizes(), await failures()]).toEqual([[31], before + 1]);
});
