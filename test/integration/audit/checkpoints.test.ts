import { consistencyProof, hashLeaf, inclusionProof, verifyConsistency, verifyInclusion } from '@bongsu/audit-chain';
import { TOPICS } from '@bongsu/contracts';
import { registry } from '@bongsu/observability';
import { describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { storedNodes } from '../../../apps/audit/src/checkpoints/tree-tiles.js';
import { logger, raws, salts } from './database.js';
import {
  TOPIC,
  append,
  audit,
  checkpointer,
  clock,
  inFile,
  opens,
  ringOf,
  rootOf,
  sent,
  sizes,
  stored,
  withFreshStore,
} from './checkpointing.js';

withFreshStore();

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
    clock.now += 999;
    await making.round();
    expect(await sizes()).toEqual([5]);
    expect(await registry.metrics()).toMatch(/^audit_checkpoint_age_seconds (?!0$)/m);
    clock.now += 1;
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
      clock.now += 10_000;
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
        [TOPIC, clock.now, from, to],
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

it('may be written by the service, and not changed', async () => {
  await append(0, 5);
  await checkpointer().round();
  for (const table of ['checkpoints', 'checkpoint_publications', 'tree_tiles']) {
    await expect(audit.database.query(`UPDATE ${table} SET partition = 1`)).rejects.toThrow(/permission denied/);
    await expect(audit.database.query(`DELETE FROM ${table}`)).rejects.toThrow(/permission denied/);
    await expect(audit.database.query(`TRUNCATE ${table} CASCADE`)).rejects.toThrow(/permission denied/);
  }
});
