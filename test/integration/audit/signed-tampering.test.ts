import {
  chainName,
  CheckpointBook,
  digestPayload,
  GENESIS,
  hashRecord,
  recordsOf,
  verifyStore,
  type Query,
  type VerifierKey,
  type VerifyReport,
} from '@bongsu/audit-chain';
import type { Tx } from '@bongsu/persistence';
import { registry } from '@bongsu/observability';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { BackgroundVerification } from '../../../apps/audit/src/verify/background.js';
import { freshAudit, logger, raw, raws, salts, type AuditDatabase } from './database.js';
import { newSigner, signChain } from './signed-store.js';

const EVENTS = 'notification.events.v1';
const COUNT = 30;
const SIZES = [10, 20, COUNT];
const PLACES = [0, 1].map((partition) => ({ topic: EVENTS, partition }));
const KEYS = { topic: 'access.keys.v1', partition: 0 };

const [signer, next, forger] = [newSigner(), newSigner(), newSigner()];
let audit: AuditDatabase;
let kept: string[] = [];
beforeAll(async () => {
  audit = await freshAudit();
  const appender = new Appender(audit.database, salts, logger);
  await appender.append(EVENTS, 0, raws(0, COUNT));
  // #11 is a gap record: offsets 10 to 14 were gone.
  await appender.append(EVENTS, 1, [...raws(0, 10), ...raws(15, COUNT + 4)]);
  await appender.append(KEYS.topic, 0, [raw(5), raw(9, { value: null, key: Buffer.from('k') })]);
  for (const place of PLACES) {
    const early = await signChain(audit.owner, place, [10], signer, next.verifier);
    kept.push(...early, ...(await signChain(audit.owner, place, [20, COUNT], next)));
  }
  kept = [...kept, ...(await signChain(audit.owner, KEYS, [2], signer))];
});
afterAll(() => audit.close());

/** What a verifier finds that has the first key, and checkpoints that it kept, after a change that is undone again. */
async function after(change: (tx: Tx) => Promise<unknown>, notes: readonly string[] = []): Promise<VerifyReport> {
  let report: VerifyReport | undefined;
  const undo = new Error('undo');
  await audit.owner
    .transaction(async (tx) => {
      await change(tx);
      report = await verifiedBy(signer.verifier, (sql, values) => tx.query(sql, values), notes);
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw error;
    });
  return report!;
}

function verifiedBy(key: VerifierKey, query: Query, notes: readonly string[]): Promise<VerifyReport> {
  const book = new CheckpointBook([key]);
  book.add(notes);
  return verifyStore((work) => work(query), book);
}

const at = (partition: number, from: number, to = from) => ({ chain: chainName(EVENTS, partition), from, to });
/** What is wrong with a report that should name this place; undefined when it does. */
function missed(what: string, report: VerifyReport, place: ReturnType<typeof at>): unknown {
  const first = report.problems.find(({ chain }) => chain === place.chain);
  const isNamed = !report.ok && first && first.sequence >= place.from && first.sequence <= place.to;
  return isNamed ? undefined : [what, report];
}

/** As whoever owns the database would do it: another payload, and every hash from there on computed again. */
async function rewrite(tx: Tx, partition: number, sequence: number): Promise<void> {
  const query: Query = (sql, values) => tx.query(sql, values);
  const records = [];
  for await (const record of recordsOf(query, EVENTS, partition)) records.push(record);
  let previous = GENESIS;
  for (const record of records) {
    const payload = Number(record.sequence) === sequence ? Buffer.from('forged') : record.payload;
    const payloadDigest = digestPayload(record.salt!, payload);
    const tenant = payload === record.payload ? record.tenant : null;
    const recipient = payload === record.payload ? record.recipient : null;
    previous = hashRecord({ ...record, payloadDigest }, previous);
    await tx.query(
      `UPDATE records SET payload = $4, payload_digest = $5, hash = $6, tenant = $7, recipient = $8
       WHERE topic = $1 AND partition = $2 AND sequence = $3`,
      [EVENTS, partition, record.sequence, payload, payloadDigest, previous, tenant, recipient],
    );
  }
}

describe('a signed store that nobody touched', () => {
  it('verifies with the first key alone, also with what was kept elsewhere', async () => {
    for (const notes of [[], kept]) {
      const report = await after(() => Promise.resolve(), notes);
      expect(report.problems).toEqual([]);
      expect(report).toMatchObject({
        ok: true,
        chains: 3,
        checkpoints: (2 * SIZES.length + 1) * (notes.length ? 2 : 1),
      });
    }
  });

  it('verifies when payloads were erased', async () => {
    const erase = 'UPDATE records SET payload = NULL, salt = NULL, recipient = NULL WHERE sequence IN (3, 12, 28)';
    expect(
      (await after((tx) => tx.query(`${erase} AND kind = 'record' AND topic = '${EVENTS}'`), kept)).problems,
    ).toEqual([]);
  });

  it('says what is not signed yet', async () => {
    const report = await after((tx) => tx.query('DELETE FROM checkpoints WHERE size > 20'));
    expect(report.ok).toBe(true);
    expect(report.notices?.filter(({ what }) => what.includes('signed')).map(({ sequence }) => sequence)).toEqual([
      21, 21,
    ]);
  });
});

describe('a store whose owner changes it', () => {
  it('is found out by its own checkpoints when history is rewritten', async () => {
    for (const sequence of [1, 10, 15, 25, COUNT]) {
      for (const partition of [0, 1]) {
        const report = await after((tx) => rewrite(tx, partition, sequence));
        const from = [1, 11, 21].findLast((each) => each <= sequence)!;
        const gap = partition === 1 && sequence === 11;
        expect(
          missed(`rewritten from #${sequence}`, report, gap ? at(1, 11) : at(partition, from, from + 9)),
        ).toBeUndefined();
      }
    }
  });

  it('is found out when it signs again with another key', async () => {
    for (const sequence of [1, 15, COUNT]) {
      const report = await after(async (tx) => {
        await rewrite(tx, 0, sequence);
        await tx.query('DELETE FROM checkpoints WHERE topic = $1 AND partition = 0', [EVENTS]);
        await signChain(tx, PLACES[0]!, SIZES, forger);
      });
      expect(missed('signed by another key', report, at(0, 10, COUNT))).toBeUndefined();
    }
  });

  it('is found out by checkpoints kept elsewhere when it removes its own', async () => {
    for (const sequence of [1, 15, COUNT]) {
      const report = await after(async (tx) => {
        await rewrite(tx, 0, sequence);
        await tx.query('DELETE FROM checkpoints');
      }, kept);
      expect(
        missed(
          'checkpoints removed',
          report,
          at(
            0,
            [1, 11, 21].findLast((each) => each <= sequence)!,
            COUNT,
          ),
        ),
      ).toBeUndefined();
    }
  });

  it('is found out when it is rolled back, or a chain is dropped', async () => {
    for (const size of [5, 10, 19, 29]) {
      const cut = async (tx: Tx): Promise<void> => {
        await tx.query('DELETE FROM records WHERE partition = 0 AND topic = $1 AND sequence > $2', [EVENTS, size]);
        await tx.query('DELETE FROM checkpoints WHERE partition = 0 AND topic = $1 AND size > $2', [EVENTS, size]);
      };
      expect(missed(`rolled back to #${size}`, await after(cut, kept), at(0, size + 1))).toBeUndefined();
      const records = (tx: Tx) =>
        tx.query('DELETE FROM records WHERE partition = 0 AND topic = $1 AND sequence > $2', [EVENTS, size]);
      expect(missed(`cut off behind #${size}`, await after(records), at(0, size + 1))).toBeUndefined();
    }
    expect(
      missed('dropped', await after((tx) => tx.query('DELETE FROM records WHERE partition = 1')), at(1, 1)),
    ).toBeUndefined();
    const all = await after(
      (tx) => tx.query('DELETE FROM records').then(() => tx.query('DELETE FROM checkpoints')),
      kept,
    );
    expect(all.problems.map(({ chain }) => chain).toSorted()).toEqual(
      [...PLACES, KEYS].map((each) => chainName(each.topic, each.partition)).toSorted(),
    );
  });

  it('is found out when it changes checkpoints', async () => {
    const changes: [string, number, number][] = [
      [`root = set_byte(root, 3, get_byte(root, 3) # 4)`, 10, 10],
      [`size = 9`, 1, 10],
      [`note = replace(note, E'\\n10\\n', E'\\n11\\n')`, 10, 11],
      [`note = left(note, -3)`, 10, 10],
      [`note = ''`, 10, 10],
    ];
    for (const [change, from, to] of changes) {
      const report = await after((tx) =>
        tx.query(`UPDATE checkpoints SET ${change} WHERE topic = $1 AND partition = 0 AND size = 10`, [EVENTS]),
      );
      expect(missed(change, report, at(0, from, to))).toBeUndefined();
    }
  });

  it('is found out when it hides that something was lost', async () => {
    const report = await after(async (tx) => {
      await tx.query(`DELETE FROM records WHERE kind = 'gap' AND partition = 1`);
      await tx.query('ALTER TABLE records DROP CONSTRAINT records_pkey');
      await tx.query('UPDATE records SET sequence = sequence - 1 WHERE partition = 1 AND sequence > 11');
      await rewrite(tx, 1, 0);
    });
    expect(missed('gap hidden', report, at(1, 11, 20))).toBeUndefined();
  });
});

describe('verifying in the background', () => {
  const value = async (name: string): Promise<number> =>
    (await registry.getSingleMetric(name)!.get()).values[0]?.value ?? 0;

  it('goes round and round, and finds what was changed', async () => {
    const database = await audit.another();
    const before = await value('audit_verified_records_total');
    const failures = await value('audit_verify_failures_total');
    const options = { rate: 100_000, restMs: 10, keys: () => [signer.verifier] };
    const background = new BackgroundVerification(database, logger, options);
    background.start();
    const records = 2 * COUNT + 2;
    await waitUntil('two rounds', async () => (await value('audit_verified_records_total')) >= before + 2 * records);
    expect(await value('audit_verify_failures_total')).toBe(failures);
    expect(await value('audit_verify_last_complete_seconds')).toBeLessThan(30);
    await audit.owner.query(`UPDATE records SET epoch = 1 WHERE topic = $1 AND partition = 1 AND sequence = 9`, [
      EVENTS,
    ]);
    await waitUntil('the failure', async () => (await value('audit_verify_failures_total')) > failures);
    await audit.owner.query(`UPDATE records SET epoch = 0 WHERE topic = $1 AND partition = 1 AND sequence = 9`, [
      EVENTS,
    ]);
    await background.stop();
  });

  it('does nothing at a rate of 0, and keeps to its rate', async () => {
    const database = await audit.another();
    const before = await value('audit_verified_records_total');
    const off = new BackgroundVerification(database, logger, { rate: 0 });
    off.start();
    await off.stop();
    expect(await value('audit_verified_records_total')).toBe(before);
    const slow = new BackgroundVerification(database, logger, { rate: 1, restMs: 0 });
    slow.start();
    await waitUntil('the first page', async () => (await value('audit_verified_records_total')) > before);
    await slow.stop(); // at one record per second the next page would come half a minute later
    expect((await value('audit_verified_records_total')) - before).toBeLessThanOrEqual(COUNT);
  });
});
