import type { Tx } from '@bongsu/persistence';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Appender } from '../../../apps/audit/src/chain/appender.js';
import { Verification } from '../../../apps/audit/src/verify/verification.js';
import { afterTampering, freshAudit, logger, raw, raws, salts, type AuditDatabase } from './database.js';

const EVENTS = 'notification.events.v1';
const KEYS = 'access.keys.v1';
const COUNT = 12;

let audit: AuditDatabase;
beforeAll(async () => {
  audit = await freshAudit();
  const appender = new Appender(audit.database, salts, logger);
  await appender.append(EVENTS, 3, raws(0, COUNT));
  await appender.append(EVENTS, 4, raws(100, 103));
  await appender.append(KEYS, 0, [raw(5), raw(9, { key: null, value: null, headers: [] })]);
});
afterAll(() => audit.close());

const tampered = (tamper: (tx: Tx) => Promise<unknown>) => afterTampering(audit.owner, tamper);
const place = (sequence: number) => ({ chain: `${EVENTS}/3`, sequence });

describe('a store that nobody touched', () => {
  it('verifies, and says what it read', async () => {
    const report = await new Verification(audit.database, logger).verify();
    expect(report).toMatchObject({ ok: true, records: COUNT + (1 + 3) + 2, chains: 3, problems: [], problemCount: 0 });
    // The chain of partition 4 begins at offset 100: what came before was gone. Compacted topics leave out what they like.
    expect(report.notices).toMatchObject([{ chain: `${EVENTS}/4`, sequence: 1 }]);
  });
});

/** Another value of the same type, in SQL. */
const OTHER: Readonly<Record<string, (column: string) => string>> = {
  bytea: (column) => `coalesce(set_byte(${column}, 0, get_byte(${column}, 0) # 1), '\\x00')`,
  bigint: (column) => `${column} + 1000`,
  integer: (column) => `${column} + 1000`,
  text: (column) => `coalesce(${column} || 'x', 'x')`,
};

async function columnsOf(table: string): Promise<{ name: string; type: string }[]> {
  return await audit.database.query(
    "SELECT quote_ident(column_name) AS name, data_type AS type FROM information_schema.columns WHERE table_schema = 'audit' AND table_name = $1",
    [table],
  );
}

describe('a changed record', () => {
  it('is named, whichever column was changed', async () => {
    const columns = await columnsOf('records');
    expect(columns).toHaveLength(18);
    for (const { name, type } of columns) {
      // The last one could be moved away without a trace in the store itself: a checkpoint tells.
      for (const sequence of [1, 7, COUNT - 1]) {
        const other = name === 'kind' ? `'gap'` : OTHER[type]!(name);
        const report = await tampered((tx) =>
          tx.query(`UPDATE records SET ${name} = ${other} WHERE topic = $1 AND partition = 3 AND sequence = $2`, [
            EVENTS,
            sequence,
          ]),
        );
        expect([`${name} of #${sequence}`, report.ok]).toEqual([`${name} of #${sequence}`, false]);
        const first = report.problems.find(({ chain }) => chain === `${EVENTS}/3`);
        expect([`${name} of #${sequence}`, first?.sequence]).toEqual([`${name} of #${sequence}`, sequence]);
      }
    }
  });

  it('is named when a column was emptied', async () => {
    const nullable = ['key', 'payload', 'salt', 'event_id', 'type', 'subject', 'tenant', 'recipient'];
    for (const name of nullable) {
      const report = await tampered((tx) =>
        tx.query(`UPDATE records SET ${name} = NULL WHERE topic = $1 AND partition = 3 AND sequence = 5`, [EVENTS]),
      );
      expect([name, report.problems[0]]).toMatchObject([name, place(5)]);
    }
  });

  it('is named when a null became something', async () => {
    for (const [name, value] of [
      ['key', "''"],
      ['payload', "''"],
      ['headers', "'\\x00'"],
      ['tenant', "'acme'"],
    ]) {
      const report = await tampered((tx) =>
        tx.query(`UPDATE records SET ${name} = ${value} WHERE topic = $1 AND sequence = 2`, [KEYS]),
      );
      expect([name, report.problems[0]]).toMatchObject([name, { chain: `${KEYS}/0`, sequence: 2 }]);
    }
  });

  it('is named when two records exchange one column', async () => {
    const columns = await columnsOf('records');
    for (const { name } of columns.filter(
      ({ name }) =>
        !['topic', 'partition', 'sequence', 'epoch', 'type', 'tenant', 'timestamp_ms', 'kind'].includes(name),
    )) {
      const report = await tampered(async (tx) => {
        await tx.query('ALTER TABLE records DROP CONSTRAINT records_topic_partition_epoch_offset_timestamp_ms_key');
        await tx.query(
          `UPDATE records r SET ${name} = s.${name} FROM records s
           WHERE r.topic = $1 AND r.partition = 3 AND s.topic = $1 AND s.partition = 3
             AND r.sequence IN (4, 9) AND s.sequence IN (4, 9) AND r.sequence <> s.sequence`,
          [EVENTS],
        );
      });
      expect([name, report.problems[0]]).toMatchObject([name, place(4)]);
    }
  });
});

/** Inserts a copy of #5 somewhere else. */
const copy = (sequence: string, timestamp: string) => `
  INSERT INTO records SELECT topic, partition, ${sequence}, "offset" + 1000, epoch, ${timestamp}, key, headers, payload, salt,
    payload_digest, hash, event_id, type, subject, tenant, recipient, kind
  FROM records WHERE topic = $1 AND partition = 3 AND sequence = 5`;

describe('a record that is not where it was', () => {
  it('is named when it was dropped', async () => {
    for (const sequence of [1, 6, COUNT - 1]) {
      const report = await tampered((tx) =>
        tx.query('DELETE FROM records WHERE topic = $1 AND partition = 3 AND sequence = $2', [EVENTS, sequence]),
      );
      expect(report.problems[0]).toMatchObject(place(sequence));
      expect(report.problems[0]?.what).toContain('missing');
    }
  });

  it('is named when two changed places', async () => {
    const report = await tampered(async (tx) => {
      await tx.query('ALTER TABLE records DROP CONSTRAINT records_pkey');
      await tx.query(
        'UPDATE records SET sequence = CASE sequence WHEN 5 THEN 6 ELSE 5 END WHERE topic = $1 AND partition = 3 AND sequence IN (5, 6)',
        [EVENTS],
      );
    });
    expect(report.problems[0]).toMatchObject(place(5));
  });

  it('is named when one was inserted in a place that is taken', async () => {
    const report = await tampered((tx) => tx.query(copy('sequence', 'timestamp_ms + 1'), [EVENTS]));
    expect(report.problems[0]).toMatchObject(place(5));
  });

  it('is named when one was inserted behind the end', async () => {
    const report = await tampered((tx) => tx.query(copy(String(COUNT + 1), 'timestamp_ms'), [EVENTS]));
    expect(report.problems[0]).toMatchObject(place(COUNT + 1));
  });

  it('is named when one was inserted before the beginning', async () => {
    const report = await tampered(async (tx) => {
      await tx.query('ALTER TABLE records DROP CONSTRAINT records_sequence_check');
      await tx.query(copy('-(2 ^ 62)::bigint', 'timestamp_ms'), [EVENTS]);
    });
    expect(report.problems[0]?.chain).toBe(`${EVENTS}/3`);
  });

  it('is named when it was moved to a chain that does not exist', async () => {
    const report = await tampered((tx) =>
      tx.query('UPDATE records SET partition = 77 WHERE topic = $1 AND partition = 4', [EVENTS]),
    );
    expect(report.problems.map(({ chain }) => chain)).toContain(`${EVENTS}/77`);
  });
});

describe('a gap record', () => {
  const GAP = { chain: `${EVENTS}/4`, sequence: 1 };
  it('cannot be changed, erased, moved or left out', async () => {
    for (const tampering of [
      `UPDATE records SET payload = '{"kind":"gap","expectedOffset":"0","offset":"99"}'`,
      'UPDATE records SET payload = NULL, salt = NULL',
      'UPDATE records SET "offset" = 98',
      `UPDATE records SET kind = 'record'`,
      'DELETE FROM records',
    ]) {
      const report = await tampered((tx) =>
        tx.query(`${tampering} WHERE topic = $1 AND partition = 4 AND sequence = 1`, [EVENTS]),
      );
      expect([tampering, report.problems[0]]).toMatchObject([tampering, GAP]);
    }
  });
});

describe('an erased payload', () => {
  it('leaves a chain that verifies', async () => {
    const report = await tampered((tx) =>
      tx.query(
        'UPDATE records SET payload = NULL, salt = NULL, recipient = NULL WHERE topic = $1 AND partition = 3 AND sequence = 4',
        [EVENTS],
      ),
    );
    expect(report).toMatchObject({ ok: true, problems: [] });
  });
});

describe('a chain of several pages', () => {
  const bulk = (tamper: (tx: Tx) => Promise<unknown>) =>
    tampered(tamper).then(({ ok, problems }) => [ok, problems[0]?.sequence]);
  const insertAgain = (sequence: number) => (tx: Tx) =>
    tx.query(
      `INSERT INTO records SELECT topic, partition, sequence, "offset" + 10000, epoch, timestamp_ms + 1, key, headers, payload, salt,
         payload_digest, hash, event_id, type, subject, tenant, recipient, kind
       FROM records WHERE topic = $1 AND partition = 5 AND sequence = $2`,
      [EVENTS, sequence],
    );

  it('hides nothing at the edge of a page', async () => {
    const appender = new Appender(audit.database, salts, logger);
    for (let from = 0; from < 4_500; from += 500) await appender.append(EVENTS, 5, raws(from, from + 500));
    expect(await bulk(() => Promise.resolve())).toEqual([true, undefined]);
    // Pages have 2,000 rows.
    for (const sequence of [1_999, 2_000, 2_001, 4_000, 4_500]) {
      expect(await bulk(insertAgain(sequence))).toEqual([false, sequence]);
    }
    for (const sequence of [2_000, 2_001, 4_000]) {
      const drop = (tx: Tx) =>
        tx.query('DELETE FROM records WHERE topic = $1 AND partition = 5 AND sequence = $2', [EVENTS, sequence]);
      expect(await bulk(drop)).toEqual([false, sequence]);
    }
  });
});
