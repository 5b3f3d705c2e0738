import { ConfigResourceTypes, Kafka, logLevel, type Admin, type IResourceConfigEntry } from 'kafkajs';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { waitUntil } from '@bongsu/testing';
import { System } from '../pipeline/system.js';

/** Each thing that the doctor looks at is really broken here, once, and mended again. */

const SIGNING_KEY = Buffer.alloc(32, 7).toString('base64');
const EXAMPLE_SIGNING_KEY = 'ZGV2ZWxvcG1lbnQtc2lnbmluZy1rZXktY2hhbmdlLWk=';

const WELL =
  `API|API keys|Kafka|PostgreSQL|api health|audit health|audit service|audit trail|clock of PostgreSQL|clock of the API
clock of the audit service|database of api|database of audit|database of notification|dead letters|deliveries|group bongsu.audit|ledger
group bongsu.notification|group bongsu.status|notification health|outbox of api|outbox of notification|signing key|topics`.split(
    /[|\n]/,
  );

let system: System;
let database: Client;
let admin: Admin;
let kafka: Kafka;

beforeAll(async () => {
  system = await System.start('doctor', ['api', 'notification', 'audit'], {
    AUDIT_SIGNING_KEY: SIGNING_KEY,
    AUDIT_CHECKPOINT_EVERY: '1s',
  });
  database = new Client({ connectionString: system.databaseUrl });
  kafka = new Kafka({ brokers: inject('bongsu').kafkaBrokers.split(','), logLevel: logLevel.NOTHING });
  admin = kafka.admin();
  await Promise.all([database.connect(), admin.connect()]);
});
afterAll(async () => {
  await Promise.all([database.end(), admin.disconnect()]);
  await system.stop();
});

interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
  readonly advice?: string;
}
interface Examination {
  readonly code: number;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** What is not well, one line each: `FAIL what: detail → advice`. */
  readonly ill: readonly string[];
}

async function examine(env: Record<string, string> = {}): Promise<Examination> {
  const ports = (['api', 'notification', 'audit'] as const).map((name) => [
    `${name.toUpperCase()}_MANAGEMENT_PORT`,
    new URL(system.service(name).managementUrl).port,
  ]);
  const { code, stdout } = await system.cli(['doctor', '--json'], {
    ...Object.fromEntries(ports),
    DATABASE_URL: system.databaseUrl,
    ...env,
  });
  const report = JSON.parse(stdout) as Omit<Examination, 'code' | 'ill'>;
  const ill = report.findings
    // There is none in a test.
    .filter(({ state, what }) => (state === 'failed' || state === 'warning') && what !== 'mail catcher')
    .map(({ state, what, detail, advice }) => `${state} ${what}: ${detail} → ${advice}`);
  return { code, ...report, ill };
}

const having = (message: RegExp): unknown => expect.arrayContaining([expect.stringMatching(message)]);

/** What says that something is broken, with the exit code that it must have. */
const illWith = (message: RegExp, code: 0 | 1): unknown =>
  expect.objectContaining({
    code,
    ok: code === 0,
    ill: having(message),
  });

/** What was just started is a member of its group, and has read everything, a moment later. */
async function examineUntilWell(): Promise<Examination> {
  let last = await examine();
  for (const end = performance.now() + 30_000; last.ill.length > 0 && performance.now() < end;) last = await examine();
  return last;
}

const topic = (name: string): string => system.prefix + name;

/** The doctor's own clock is the wrong one: it is what others are compared with. */
const shifted = (ms: number): Record<string, string> => {
  const code = `const now = Date.now.bind(Date); Date.now = () => now() + ${ms};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
};

describe('a system that is well', () => {
  it('has nothing wrong, and everything was looked at', async () => {
    await system.send({ recipient: { id: 'r' }, channels: ['log'], content: { body: 'b' } });
    const last = await examineUntilWell();
    expect(last.ill).toEqual([]);
    expect([last.code, last.ok]).toEqual([0, true]);
    expect(
      last?.findings
        .filter(({ state }) => state === 'ok')
        .map(({ what }) => what)
        .toSorted(),
    ).toEqual(WELL.toSorted());
    expect(last.findings.find(({ what }) => what === 'Kafka')?.detail).toMatch(/^1 broker\(s\), version 3\.9 at /);
  });

  it('is shown to people, too', async () => {
    const { stdout } = await system.cli(['doctor'], { DATABASE_URL: system.databaseUrlOf('api') });
    expect(stdout).toMatch(/^ok +database of api/m);
    // A service's role sees its own schema alone.
    expect(stdout).toMatch(/^- +database of audit +DATABASE_URL names a role/m);
  });
});

describe('Kafka', () => {
  const configure = (type: ConfigResourceTypes, name: string, configEntries: IResourceConfigEntry[]) =>
    admin.alterConfigs({ validateOnly: false, resources: [{ type, name, configEntries }] });

  it('that is not there', async () => {
    expect(await examine({ KAFKA_BROKERS: '127.0.0.1:1' })).toEqual(illWith(/^failed Kafka: .* → Start the stack/, 1));
  });

  it('whose topic is kept for another time, and mended by the advice', async () => {
    await configure(ConfigResourceTypes.TOPIC, topic('notification.events.v1'), [
      { name: 'retention.ms', value: '60000' },
    ]);
    expect(await examine()).toEqual(
      illWith(
        /^failed topics: .*notification\.events\.v1: .*retention\.ms 60000 → 604800000.* → bongsu topics apply$/,
        1,
      ),
    );
    await system.cli(['topics', 'apply', '--yes']);
    expect((await examine()).ill).toEqual([]);
  });

  it('that has fewer copies than are wanted', async () => {
    expect(await examine({ KAFKA_REPLICATION_FACTOR: '3' })).toEqual(
      illWith(/^warning topics: .*has 1 replica\(s\), 3 declared/, 0),
    );
  });

  it('whose broker may lose what it acknowledged', async () => {
    const { brokers } = await admin.describeCluster();
    const broker = String(brokers[0]?.nodeId);
    await configure(ConfigResourceTypes.BROKER, broker, [{ name: 'unclean.leader.election.enable', value: 'true' }]);
    try {
      expect(await examine()).toEqual(illWith(/^failed Kafka: unclean\.leader\.election\.enable on broker \d+/, 1));
    } finally {
      await configure(ConfigResourceTypes.BROKER, broker, []);
    }
  });

  it('with a record that nobody can read', async () => {
    const producer = kafka.producer();
    await producer.connect();
    await producer.send({ topic: topic('notification.commands.v1'), messages: [{ key: 'k', value: 'no JSON' }] });
    await producer.disconnect();
    const found = await waitUntil('dead letters of both readers', async () => {
      const last = await examine();
      return (
        last.ill.some((each) => each.includes('bongsu.status.dlt') && each.includes('bongsu.notification.dlt')) && last
      );
    });
    expect(found.ill).toEqual([
      expect.stringMatching(/^warning dead letters: 1 in .*, 1 in .* → bongsu dead-letters show/),
    ]);
    expect(found.code).toBe(0);
    for (const group of ['bongsu.notification', 'bongsu.status']) {
      const name = topic(`notification.commands.v1.${group}.dlt`);
      const offsets = await admin.fetchTopicOffsets(name);
      await admin.deleteTopicRecords({
        topic: name,
        partitions: offsets.map(({ partition, high }) => ({ partition, offset: high })),
      });
    }
    expect((await examine()).ill).toEqual([]);
  });
});

describe('a service', () => {
  it('that is down: its interface, its health and its group', async () => {
    await system.service('audit').stop();
    const examination = await examine();
    expect(examination).toEqual(illWith(/^failed group bongsu\.audit: nobody reads: 0 member\(s\)/, 1));
    await system.startService('audit');
    const failed = examination.findings.filter(({ state }) => state === 'failed');
    expect(failed.map(({ what }) => what)).toEqual(['audit service', 'audit health', 'group bongsu.audit']);
    expect(failed.every(({ advice }) => advice !== undefined)).toBe(true);
  });

  it('that has left records lying', async () => {
    await system.service('notification').stop();
    await system.send({ recipient: { id: 'waits' }, channels: ['log'], content: { body: 'b' } });
    expect(await examine()).toEqual(
      illWith(/^failed group bongsu\.notification: .* 1 records behind, the oldest for [\d.]+ (s|min)/, 1),
    );
    await system.startService('notification');
  });
});

describe('PostgreSQL', () => {
  it('that is not there', async () => {
    expect(await examine({ DATABASE_URL: 'postgres://a:b@127.0.0.1:1/c' })).toEqual(
      illWith(/^failed PostgreSQL: .* → Start PostgreSQL/, 1),
    );
  });

  it('with a migration that was not made, and one of a later version', async () => {
    const renamed = (from: string, to: string) =>
      database.query('UPDATE notification.migrations SET name = $2 WHERE name = $1', [from, to]);
    await renamed('Flows1795305600000', 'Later1999999999999');
    const examination = await examine();
    expect(examination).toEqual(
      illWith(/^failed database of notification: migrations that are not made: Flows1795305600000/, 1),
    );
    await renamed('Later1999999999999', 'Flows1795305600000');
    expect(examination).toEqual(illWith(/of a later version: Later1999999999999/, 1));
  });

  it('without a partition for next week', async () => {
    const { rows } = await database.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'api'::regnamespace AND relkind = 'r' AND relname ~ '^timeline_\\d{10}$'
         AND to_timestamp(substring(relname from '\\d{10}$'), 'YYYYMMDDHH24') > now()`,
    );
    expect(rows.length).toBeGreaterThan(0);
    await database.query(`DROP TABLE ${rows.map(({ name }) => `api.${name}`).join(', ')}`);
    expect(await examine()).toEqual(
      illWith(/^warning database of api: no partition for the time after this one: timeline →/, 0),
    );
    await system.killAndRestart('api');
    expect((await examineUntilWell()).ill).toEqual([]);
  });

  it('with a ledger that lacks what was accepted', async () => {
    // So that all of it was accepted over ten minutes ago.
    const later = shifted(11 * 60_000);
    expect((await examine(later)).ill).not.toEqual(having(/^failed ledger/));
    const [id] = [await system.send({ recipient: { id: 'gone' }, channels: ['log'], content: { body: 'b' } })];
    const row = () => database.query('SELECT FROM notification.notifications WHERE id = $1', [id]);
    await waitUntil('it is in the ledger', async () => (await row()).rowCount === 1);
    await waitUntil('it is in the trail', async () => {
      const { rowCount } = await database.query('SELECT FROM audit.records WHERE subject = $1', [id]);
      return (rowCount ?? 0) > 0;
    });
    await database.query('DELETE FROM notification.notifications WHERE id = $1', [id]);
    expect((await examine(later)).ill).toEqual(
      having(new RegExp(`^failed ledger: 1 of \\d+ .* ${id} among them → .*Wind the group back`)),
    );
  });

  it('with facts that nobody sends', async () => {
    await database.query(`
      INSERT INTO notification.outbox_streams VALUES ('stuck', 1); INSERT INTO notification.outbox_relays VALUES ('stuck', 0);
      INSERT INTO notification.outbox (stream, seq, created_at, topic, key, headers, value)
      VALUES ('stuck', 1, now() - interval '10 min', 'notification.events.v1', 'k', '{}', '')`);
    expect(await examine()).toEqual(illWith(/^failed outbox of notification: 1 facts wait, the oldest for 10 min/, 1));
    await database.query(`DELETE FROM notification.outbox WHERE stream = 'stuck'; DELETE FROM notification.outbox_streams
      WHERE stream = 'stuck'; DELETE FROM notification.outbox_relays WHERE stream = 'stuck'`);
  });
});

describe('a clock', () => {
  it.each([
    [20_000, 0, /^warning clock of PostgreSQL: (19|20)(\.\d)? s behind this machine's/],
    [-3_600_000, 1, /^failed clock of the API: 60(\.\d)? min ahead of this machine's .* NTP/],
  ] as const)('that is off by %i ms', async (ms, code, message) => {
    expect(await examine(shifted(ms))).toEqual(illWith(message, code));
  });
});

describe('keys', () => {
  it('that end soon', async () => {
    const expiresAt = new Date(Date.now() + 3 * 86_400_000).toISOString();
    const make = (name: string, more = {}) =>
      system
        .request('post', '/v1/api-keys')
        .send({ name, tenant: 'acme', ...more })
        .expect(201);
    await make('lasting');
    await make('ending', { expiresAt });
    const examination = await examine();
    expect(examination).toEqual(illWith(/^warning API keys: end soon: ending of acme in 3 d → Make new ones/, 0));
    expect(examination.ill).toHaveLength(1);
  });

  it('that everybody knows', async () => {
    await system.service('audit').stop();
    await system.startService('audit', {
      AUDIT_SIGNING_KEY: EXAMPLE_SIGNING_KEY,
      AUDIT_ORIGIN: 'elsewhere',
      BOOTSTRAP_API_KEY: 'bongsu-development-key-change-it-before-use',
    });
    const key = { BONGSU_API_KEY: 'bongsu-development-key-change-it-before-use' };
    const { ill } = await examine(key);
    expect(ill).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^warning API keys: BOOTSTRAP_API_KEY is the example's/),
        expect.stringMatching(/^warning signing key: it is the example's/),
      ]),
    );
  });

  it('of which there is none to sign with', async () => {
    await system.service('audit').stop();
    await system.startService('audit', { AUDIT_SIGNING_KEY: '' });
    expect(await examine()).toEqual(illWith(/^warning signing key: there is none/, 0));
  });
});
