import { readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { SendAll } from '../../../apps/audit/src/checkpoints/publisher.js';
import {
  type Row,
  append,
  audit,
  checkpointer,
  file,
  inFile,
  rootOf,
  sent,
  sizes,
  stored,
  toList,
  withFreshStore,
} from './checkpointing.js';

withFreshStore();

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
