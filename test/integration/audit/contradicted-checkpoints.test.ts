import { appendFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { logger, raws, salts } from './database.js';
import {
  TOPIC,
  append,
  audit,
  checkpointer,
  failures,
  file,
  inFile,
  keys,
  sizes,
  withFreshStore,
} from './checkpointing.js';

withFreshStore();

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
