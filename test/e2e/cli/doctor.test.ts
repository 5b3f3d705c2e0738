import { describe, expect, it } from 'vitest';
import { examine, examineUntilWell, illWith, shifted, system, withSystem } from './examination.js';

/** Each thing that the doctor looks at is really broken here, once, and mended again. */

const EXAMPLE_SIGNING_KEY = 'ZGV2ZWxvcG1lbnQtc2lnbmluZy1rZXktY2hhbmdlLWk=';

const WELL =
  `API|API keys|Kafka|PostgreSQL|api health|audit health|audit service|audit trail|clock of PostgreSQL|clock of the API
clock of the audit service|database of api|database of audit|database of notification|dead letters|deliveries|group bongsu.audit|ledger
group bongsu.notification|group bongsu.status|notification health|outbox of api|outbox of notification|signing key|topics`.split(
    /[|\n]/,
  );

withSystem('doctor');

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
