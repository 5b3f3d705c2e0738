import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CompactRange,
  consistencyProof,
  hashLeaf,
  inclusionProof,
  KeyRing,
  privateKey,
  SigningKey,
  splitNotes,
  verifyConsistency,
  verifyInclusion,
  type SignedCheckpoint,
} from '@bongsu/audit-chain';
import { TOPICS } from '@bongsu/contracts';
import { registry } from '@bongsu/observability';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { CheckpointKeys } from '../../../apps/audit/src/checkpoints/checkpoint-keys.js';
import { Checkpointer, type CheckpointerOptions } from '../../../apps/audit/src/checkpoints/checkpointer.js';
import type { SendAll } from '../../../apps/audit/src/checkpoints/publisher.js';
import { storedNodes } from '../../../apps/audit/src/checkpoints/tree-tiles.js';
import type { Database } from '../../../apps/audit/src/database/database.js';
import { freshAudit, logger, raws, salts, type AuditDatabase } from './database.js';

const TOPIC = 'notification.events.v1';
const keyOf = (letter: string) => privateKey(Buffer.alloc(32, letter).toString('base64'));
const keys = (current: string, previous?: string): CheckpointKeys =>
  new CheckpointKeys({
    AUDIT_SIGNING_KEY: keyOf(current),
    AUDIT_PREVIOUS_SIGNING_KEY: previous === undefined ? undefined : keyOf(previous),
    AUDIT_ORIGIN: 'bongsu',
  });
const ringOf = (letter: string): KeyRing => new KeyRing(new SigningKey('bongsu', keyOf(letter)).verifier);

let audit: AuditDatabase;
let folder: string;
let file: string;
let now: number;
const opened: Checkpointer[] = [];
beforeAll(() => {
  now = Date.now();
});
beforeEach(async () => {
  audit = await freshAudit();
  folder = mkdtempSync(join(tmpdir(), 'bongsu-checkpoints-'));
  file = join(folder, 'checkpoints');
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((each) => each.stop()));
  await audit.close();
  rmSync(folder, { recursive: true });
});

/** What Kafka was given; that it keeps it is the other file's matter (signed-service.test.ts). */
const sent: string[] = [];
const toList: SendAll = (records) => {
  sent.push(...records.map(({ value }) => value.toString()));
  return Promise.resolve();
};
beforeEach(() => {
  sent.length = 0;
});

function checkpointer(more: Partial<CheckpointerOptions> = {}): Checkpointer {
  const made = new Checkpointer({
    database: audit.database,
    keys: keys('1'),
    every: { records: 1, ms: 1_000 },
    file,
    sendAll: toList,
    logger,
    now: () => now,
    ...more,
  });
  opened.push(made);
  return made;
}
const append = (from: number, to: number, partition = 0, database: Database = audit.database): Promise<number> =>
  new Appender(database, salts, logger).append(
    TOPIC,
    partition,
    raws(from, to).map((each) => ({ ...each, partition })),
  );

interface Row {
  readonly partition: number;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}
const stored = async (partition = 0): Promise<Row[]> => {
  const sql =
    'SELECT partition, size::integer, root, note FROM checkpoints WHERE topic = $1 AND partition = $2 ORDER BY size';
  return await audit.database.query<Row>(sql, [TOPIC, partition]);
};
const sizes = async (partition = 0): Promise<number[]> => (await stored(partition)).map(({ size }) => size);
const inFile = (): string[] => [...splitNotes(readFileSync(file, 'utf8'))];
const opens = (ring: KeyRing, note: string): SignedCheckpoint => {
  const checkpoint = ring.open(note);
  if ('refused' in checkpoint) throw new Error(`${checkpoint.refused}: ${checkpoint.why}`);
  return checkpoint;
};
const rootOf = async (size: number): Promise<Buffer> => {
  const range = new CompactRange();
  const rows = await audit.database.query<{ hash: Buffer }>(
    'SELECT hash FROM records WHERE topic = $1 AND partition = 0 AND sequence <= $2 ORDER BY sequence',
    [TOPIC, size],
  );
  for (const { hash } of rows) range.append(hash);
  return range.root();
};
const failures = async (): Promise<number> =>
  Number(/^audit_verify_failures_total (\d+)/m.exec(await registry.metrics())?.[1]);

describe('a checkpoint', () => {
  it('signs every chain that has moved, to the store, to Kafka and to the file', async () => {
    const making = checkpointer();
    await append(0, 10);
    await append(0, 3, 1);
    await making.round();
    await append(10, 300);
    await making.round();
    await making.round();
    expect([await sizes(0), await sizes(1)]).toEqual([[10, 300], [3]]);
    const all = [...(await stored(0)), ...(await stored(1))];
    expect(sent.toSorted()).toEqual(all.map(({ note }) => note).toSorted());
    expect(inFile().toSorted()).toEqual(sent.toSorted());
    for (const { note, size, partition, root } of all) {
      const checkpoint = opens(ringOf('1'), note);
      expect(checkpoint).toMatchObject({ log: 'bongsu', topic: TOPIC, partition, size, root });
      if (partition === 0) expect(root).toEqual(await rootOf(size));
    }
    const [last] = await audit.database.query<{ hash: Buffer }>(
      'SELECT hash FROM records WHERE partition = 0 AND sequence = 300',
    );
    expect(opens(ringOf('1'), (await stored())[1]!.note).head).toEqual(last!.hash);
  });

  it('waits for so many records or so much time, whichever comes first', async () => {
    const making = checkpointer({ every: { records: 5, ms: 1_000 } });
    await append(0, 4);
    await making.round();
    expect(await sizes()).toEqual([]);
    await append(4, 5);
    await making.round();
    expect(await sizes()).toEqual([5]);
    await append(5, 6);
    await making.round();
    now += 999;
    await making.round();
    expect(await sizes()).toEqual([5]);
    expect(await registry.metrics()).toMatch(/^audit_checkpoint_age_seconds (?!0$)/m);
    now += 1;
    await making.round();
    expect(await sizes()).toEqual([5, 6]);
    await making.round();
    expect(await registry.metrics()).toMatch(/^audit_checkpoint_age_seconds 0$/m);
  });

  it('is not made for a checkpoint of its own chain alone', async () => {
    const making = checkpointer();
    const appender = new Appender(audit.database, salts, logger);
    let offset = 0;
    const record = async (): Promise<void> => {
      const values = sent.slice(offset);
      const records = values.map((value, i) => ({
        ...raws(offset + i, offset + i + 1)[0]!,
        value: Buffer.from(value),
      }));
      await appender.append(TOPICS.checkpoints.name, 0, records);
      offset = sent.length;
    };
    await append(0, 10);
    await append(0, 10, 1);
    for (let i = 0; i < 6; i++) {
      await making.round();
      await record();
      now += 10_000;
    }
    // Of the two chains, and one of the checkpoints' own, which is itself the one record that is not signed.
    expect(sent).toHaveLength(3);
    expect(await registry.metrics()).toMatch(/^audit_checkpoint_age_seconds 0$/m);
  });

  it('goes with proofs from the tiles, of inclusion and of consistency, in a tree of three levels of them', async () => {
    const total = 66_000;
    const grow = (from: number, to: number) =>
      audit.owner.query(
        `INSERT INTO records (topic, partition, sequence, "offset", epoch, timestamp_ms, headers, payload_digest, hash, kind)
         SELECT $1, 0, n, n - 1, 0, $2, '', '', sha256(n::text::bytea), 'record' FROM generate_series($3::bigint, $4) n`,
        [TOPIC, now, from, to],
      );
    const making = checkpointer();
    const steps = [1, 255, 256, 257, 700, 65_535, 65_536, total];
    let before = 0;
    for (const size of steps) {
      await grow(before + 1, size);
      await making.round();
      before = size;
    }
    const checkpoints = await stored();
    expect(checkpoints.map(({ size }) => size)).toEqual(steps);
    expect(checkpoints.at(-1)!.root).toEqual(await rootOf(total));
    const [tiles] = await audit.database.query<{ leaves: string; above: string }>(
      'SELECT count(*) FILTER (WHERE level = 0) AS leaves, count(*) FILTER (WHERE level = 1) AS above FROM tree_tiles',
    );
    expect(tiles).toEqual({ leaves: '257', above: '1' });

    const nodes = storedNodes({ query: audit.database.query.bind(audit.database), topic: TOPIC, partition: 0 });
    for (const { size, root } of checkpoints) {
      for (const index of [0, 1, 254, 255, 256, 699, 65_534, 65_535, 65_536, total - 1].filter((each) => each < size)) {
        const [row] = await audit.database.query<{ hash: Buffer }>('SELECT hash FROM records WHERE sequence = $1', [
          index + 1,
        ]);
        const proof = await inclusionProof(index, size, nodes);
        expect(verifyInclusion({ leaf: hashLeaf(row!.hash), index, size, proof, root })).toBe(true);
      }
      for (const old of checkpoints.filter((each) => each.size <= size)) {
        const proof = await consistencyProof(old.size, size, nodes);
        expect(verifyConsistency({ oldSize: old.size, oldRoot: old.root, size, root, proof })).toBe(true);
      }
    }
  }, 60_000);
});

describe('a process that dies', () => {
  it('between the store and Kafka has its checkpoints published by the next one, once', async () => {
    const died = new Error('died');
    await append(0, 5);
    await expect(checkpointer({ sendAll: () => Promise.reject(died) }).round()).rejects.toThrow(died);
    expect([await sizes(), sent]).toEqual([[5], []]);
    await checkpointer().round();
    await checkpointer().round();
    expect(sent).toEqual((await stored()).map(({ note }) => note));
  });

  it('between Kafka and its note of that has them published again: none is ever lost', async () => {
    await append(0, 5);
    const sendsAndDies: SendAll = async (records) => {
      await toList(records);
      throw new Error('died');
    };
    await expect(checkpointer({ sendAll: sendsAndDies }).round()).rejects.toThrow('died');
    await checkpointer().round();
    const [{ note }] = (await stored()) as [Row];
    expect(sent).toEqual([note, note]);
  });

  it('before the file has them, or in the middle of a line, has them written by the next one', async () => {
    await append(0, 5);
    await checkpointer({ file: undefined }).round();
    await append(5, 9);
    await checkpointer().round();
    expect(inFile()).toEqual((await stored()).map(({ note }) => note));
    const whole = readFileSync(file, 'utf8');
    const last = whole.indexOf(inFile()[1]!);
    for (const cut of [last + 1, last + 40, whole.length - 3]) {
      writeFileSync(file, whole.slice(0, cut));
      await checkpointer().round();
      expect(inFile()).toEqual((await stored()).map(({ note }) => note));
    }
    await checkpointer().round();
    expect(readFileSync(file, 'utf8')).toBe(whole);
  });
});

describe('replicas', () => {
  it('sign together, each state once, each the successor of the one before, and publish each once', async () => {
    const others = await Promise.all([audit.another(), audit.another()]);
    const all = [audit.database, ...others].map((database) => checkpointer({ database, file: undefined }));
    for (let i = 0; i < 12; i++) {
      await Promise.all([
        append(i * 40, (i + 1) * 40),
        append(i * 7, (i + 1) * 7, 1),
        ...all.map((each) => each.round()),
      ]);
    }
    await all[0]!.round();
    const rows = await stored();
    expect(rows.at(-1)!.size).toBe(480);
    expect(rows.length).toBeGreaterThan(3);
    for (const { size, root } of rows) expect(root).toEqual(await rootOf(size));
    expect(sent.toSorted()).toEqual([...rows, ...(await stored(1))].map(({ note }) => note).toSorted());
  });

  it('each have a file of their own, with all checkpoints', async () => {
    const other = checkpointer({ database: await audit.another(), file: `${file}-2` });
    const one = checkpointer();
    await append(0, 5);
    await one.round();
    await append(5, 10);
    await other.round();
    await one.round();
    expect(readFileSync(`${file}-2`, 'utf8')).toBe(readFileSync(file, 'utf8'));
    expect(inFile()).toHaveLength(2);
  });
});

describe('a new key', () => {
  it('is announced by the old one, once, and followed by who knows only the old one, or only the new', async () => {
    await append(0, 5);
    await checkpointer().round();
    await append(5, 10);
    await append(0, 10, 1);
    const rotated = checkpointer({ keys: keys('2', '1') });
    await rotated.round();
    await append(10, 15);
    await rotated.round();
    await checkpointer({ keys: keys('2', '1') }).round();
    await append(15, 20);
    await checkpointer({ keys: keys('2') }).round(); // the old one is taken away one day
    await append(20, 25);
    await checkpointer({ keys: keys('3', '2') }).round();
    await append(25, 30);
    await checkpointer({ keys: keys('3', '2') }).round();
    const notes = [...(await stored(0)), ...(await stored(1))].map(({ note }) => note);
    expect(notes.filter((note) => note.includes('\nnext-key '))).toHaveLength(2);
    for (const letter of ['1', '2', '3']) {
      const ring = ringOf(letter);
      expect(ring.learn(notes.toReversed())).toBe(2);
      for (const note of notes) opens(ring, note);
    }
    expect('refused' in ringOf('1').open((await stored()).at(-1)!.note)).toBe(true);
    expect(inFile().toSorted()).toEqual(notes.toSorted());
  });

  it('that nobody announced does not sign on what the old one signed', async () => {
    await append(0, 5);
    await checkpointer().round();
    await append(5, 10);
    const before = await failures();
    await checkpointer({ keys: keys('2') }).round();
    expect([await sizes(), await failures()]).toEqual([[5], before + 1]);
    await checkpointer({ keys: keys('2', '1') }).round();
    expect(await sizes()).toEqual([5, 10]);
  });
});

describe('a store that contradicts what was signed', () => {
  const rollBack = async (to: number): Promise<void> => {
    await audit.owner.query('DELETE FROM records WHERE sequence > $1', [to]);
    await audit.owner.query('DELETE FROM checkpoint_publications WHERE size > $1', [to]);
    await audit.owner.query('DELETE FROM checkpoints WHERE size > $1', [to]);
  };

  it('is not signed any more, is told of, and is appended to all the same; with the same records it is signed again', async () => {
    await append(0, 10);
    await checkpointer().round();
    const old = raws(10, 20);
    const appender = new Appender(audit.database, salts, logger);
    await appender.append(TOPIC, 0, old);
    await checkpointer().round();
    await rollBack(10);
    const before = await failures();
    const restarted = checkpointer();
    await restarted.round();
    await restarted.round();
    expect([await sizes(), await failures()]).toEqual([[10], before + 1]);
    // Shorter than what was signed, then longer, with the records that were there.
    expect(await appender.append(TOPIC, 0, old.slice(0, 5))).toBe(5);
    await restarted.round();
    expect(await sizes()).toEqual([10]);
    await appender.append(TOPIC, 0, [...old.slice(5), ...raws(20, 25)]);
    await restarted.round();
    expect(await sizes()).toEqual([10, 25]);
  });

  it('is not signed with other records in their place, nor when the whole chain is gone', async () => {
    await append(0, 20);
    await checkpointer().round();
    await rollBack(0);
    const before = await failures();
    await checkpointer().round();
    expect(await failures()).toBe(before + 1);
    await append(0, 30);
    await checkpointer().round();
    expect([await sizes(), await failures()]).toEqual([[], before + 2]);
  });

  it('is not signed on when a checkpoint, or a record that it signs, was changed', async () => {
    const tampering = [
      "UPDATE checkpoints SET root = sha256('x')",
      'UPDATE checkpoints SET size = 4',
      "UPDATE checkpoints SET note = replace(note, E'\\n5\\n', E'\\n4\\n')",
      'UPDATE checkpoints SET peaks = peaks || peaks',
      "UPDATE checkpoints SET peaks = overlay(peaks placing '\\x00' from 20)",
      "UPDATE records SET hash = sha256('x') WHERE sequence = 3",
      "UPDATE records SET hash = sha256('x') WHERE sequence = 5",
      'DELETE FROM records WHERE sequence = 7',
    ];
    await append(0, 5);
    await checkpointer({ file: undefined, sendAll: () => Promise.reject(new Error('not yet')) })
      .round()
      .catch(() => undefined);
    await append(5, 10);
    for (const what of tampering) {
      const before = await failures();
      await audit.owner.query('CREATE TABLE kept_checkpoints AS TABLE checkpoints');
      await audit.owner.query('CREATE TABLE kept_records AS TABLE records');
      await audit.owner.query(what);
      await checkpointer({ file: undefined, sendAll: () => Promise.resolve() })
        .round()
        .catch(() => undefined);
      const [{ count }] = (await audit.owner.query<{ count: number }>('SELECT count(*)::integer FROM checkpoints')) as [
        { count: number },
      ];
      expect([what, count, await failures()]).toEqual([what, 1, before + 1]);
      await audit.owner.query('DELETE FROM checkpoint_publications');
      await audit.owner.query('DELETE FROM checkpoints');
      await audit.owner.query('DELETE FROM records');
      await audit.owner.query('INSERT INTO checkpoints TABLE kept_checkpoints');
      await audit.owner.query('INSERT INTO records TABLE kept_records');
      await audit.owner.query('DROP TABLE kept_checkpoints, kept_records');
    }
    await checkpointer({ file: undefined }).round();
    expect(await sizes()).toEqual([5, 10]);
  });

  it('is nothing that a stranger can make us believe by the file', async () => {
    await append(0, 5);
    await checkpointer().round();
    const forged = checkpointer({ keys: keys('9'), file: undefined });
    await forged.round();
    appendFileSync(file, inFile()[0]!.replace('\n5\n', '\n500\n'));
    await append(5, 10);
    await checkpointer().round();
    expect(await sizes()).toEqual([5, 10]);
  });
});

it('may be written by the service, and not changed', async () => {
  await append(0, 5);
  await checkpointer().round();
  for (const table of ['checkpoints', 'checkpoint_publications', 'tree_tiles']) {
    await expect(audit.database.query(`UPDATE ${table} SET partition = 1`)).rejects.toThrow(/permission denied/);
    await expect(audit.database.query(`DELETE FROM ${table}`)).rejects.toThrow(/permission denied/);
    await expect(audit.database.query(`TRUNCATE ${table} CASCADE`)).rejects.toThrow(/permission denied/);
  }
});
