import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { notificationDataSource, preparePartitions } from '../../../apps/notification/src/database/data-source.js';
import { buildApps } from '../../../tools/build/build-apps.ts';
import { releasedVersions } from '../../../tools/contracts/released.ts';
import { MailReceiver } from '../../e2e/pipeline/receivers.js';
import { API_KEY, System, type Notification } from '../../e2e/pipeline/system.js';
import { deadLetters, recordsIn, Release } from './releases.js';

/** Golden records of each release, in a real Kafka, for the services of today. What fails here fails for whoever upgrades. */

beforeAll(() => buildApps().then(() => undefined), 120_000);

/** What becomes of each golden request when the log and the mail server take everything. */
const ENDS = [
  ['least', 'delivered'],
  ['most', 'delivered'],
  ['longest', 'delivered'],
  ['refused', 'rejected'],
  ['expired', 'expired'],
  ['cancelled', 'cancelled'],
  ['traced', 'delivered'],
] as const;

describe.each(releasedVersions())('a notification service of today, of what a producer of %s wrote', (version) => {
  let release: Release;
  let system: System;
  let mail: MailReceiver;

  beforeAll(async () => {
    release = await Release.read(version);
    mail = await MailReceiver.start();
    system = await System.start('golden', [], {
      SMTP_URL: mail.url,
      RETRY_SCHEDULE: '100ms',
      CLAIM_INTERVAL: '50ms',
      // The release may be years old; a ledger that ran then, and keeps records for as long, has partitions of its weeks.
      LEDGER_RETENTION: '3650d',
    });
    await system.startService('notification');
    const dataSource = await notificationDataSource(system.databaseUrlOf('notification'), 1).initialize();
    await preparePartitions(dataSource, Date.parse(release.snapshot.at));
    await dataSource.destroy();
    await release.produce(
      system,
      release.snapshot.records.filter(({ topic }) => /^(notification\.(requests|commands)|directory)\./.test(topic)),
    );
  });
  afterAll(async () => {
    await system.stop();
    await mail.stop();
  });

  /** The last status of each delivery of a golden request, by its facts. */
  const endsOf = async (request: string): Promise<string[]> => {
    const facts = (await recordsIn(system, 'notification.events.v1'))
      .map(({ value }) => JSON.parse(String(value)) as Record<string, unknown>)
      .filter(({ notificationId }) => notificationId === release.idOf(request));
    return [...Map.groupBy(facts, ({ channel }) => channel).values()].map((of) =>
      String(of.toSorted((a, b) => Number(a['version']) - Number(b['version'])).at(-1)?.['status']),
    );
  };

  it.each(ENDS)('brings the request "%s" to its end: %s', async (request, end) => {
    const channels = request === 'most' ? 2 : 1;
    await expect
      .poll(() => endsOf(request), { timeout: 30_000, interval: 500 })
      .toEqual(Array.from({ length: channels }, () => end));
  });

  it('sends what the record says', () => {
    expect(mail.mails).toHaveLength(1);
    expect(mail.mails[0]).toMatchObject({
      subject: '봉수',
      to: [{ address: 'golden@example.org' }],
      text: expect.stringContaining('The beacon is lit. 🔥') as string,
      html: expect.stringContaining('<p>The beacon is lit.</p>') as string,
    });
  });

  it('has put nothing into the dead letters', async () => expect(await deadLetters(system)).toEqual([]));

  it(`writes what a consumer of ${version} reads`, async () => {
    expect((await release.decode(system, 'notification.events.v1')).length).toBeGreaterThanOrEqual(ENDS.length);
  });
});

describe.each(releasedVersions())('api and audit of today, of what producers of %s wrote', (version) => {
  let release: Release;
  let system: System;

  beforeAll(async () => {
    release = await Release.read(version);
    system = await System.start('golden', ['api', 'audit'], { STATUS_RETENTION: '3650d' });
    await release.produce(system);
  });
  afterAll(() => system.stop());

  /** By the corpus' facts; of those that a delivery service adds there is none here. */
  it.each([
    ['least', 'delivered'],
    ['most', 'partially_delivered'],
    ['longest', 'suppressed'],
    ['refused', 'failed'],
    ['expired', 'expired'],
    ['cancelled', 'cancelled'],
    ['traced', 'in_progress'],
  ])('shows the notification "%s" as %s', async (request, status) => {
    const shown = async (): Promise<string | number> => {
      const answer = await system.request('get', `/v1/notifications/${release.idOf(request)}`);
      return answer.status === 200 ? (answer.body as Notification).status : answer.status;
    };
    await expect.poll(shown, { timeout: 20_000 }).toBe(status);
  });

  it('shows attempts, endpoints and timelines', async () => {
    const { deliveries } = await system.notification(release.idOf('most'));
    expect(deliveries.find(({ channel }) => channel === 'email')).toMatchObject({
      provider: 'smtp-1',
      attempts: [{ number: 1, outcome: 'reject', error: { code: 'http_503' } }],
    });
    const timeline = await system.request('get', `/v1/notifications/${release.idOf('cancelled')}/timeline`).expect(200);
    expect((timeline.body as { data: { type: string }[] }).data.map(({ type }) => type).toSorted()).toEqual([
      'bongsu.delivery.cancelled.v1',
      'bongsu.delivery.deferred.v1',
      'bongsu.notification.cancel-requested.v1',
      'bongsu.notification.requested.v1',
    ]);
    // Disabled and then enabled again.
    const disabled = await system.request('get', '/v1/disabled-endpoints').expect(200);
    expect(disabled.body).toMatchObject({ data: [] });
  });

  it('are all in the audit, which verifies', async () => {
    const verified = async (): Promise<Record<string, unknown>> => {
      const answer = await fetch(`${system.service('audit').url}/v1/audit/verify`, {
        headers: { authorization: `Bearer ${API_KEY}` },
      });
      return (await answer.json()) as Record<string, unknown>;
    };
    await expect
      .poll(async () => Number((await verified())['records']), { timeout: 20_000, interval: 500 })
      .toBeGreaterThanOrEqual(release.snapshot.records.length);
    expect(await verified()).toMatchObject({ ok: true, problems: [] });
  });

  it('have put nothing into the dead letters', async () => expect(await deadLetters(system)).toEqual([]));
});
