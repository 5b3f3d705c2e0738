import { endpointHash, newNotificationId, type EnableRequested, type EndpointFact } from '@bongsu/contracts';
import { Outbox, query, transaction } from '@bongsu/persistence';
import { TcpProxy, waitUntil } from '@bongsu/testing';
import type { DataSource } from 'typeorm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { notificationDataSource } from '../../../apps/notification/src/database/data-source.js';
import { DisabledEndpoints, type GoneEndpoint } from '../../../apps/notification/src/endpoints/disabled-endpoints.js';
import { freshLedger, logger } from './database.js';

const URL_1 = 'https://gone.example/hook';

let dataSource: DataSource;
let url: string;
let close: () => Promise<void>;
beforeAll(async () => {
  ({ dataSource, url, close } = await freshLedger());
});
afterAll(() => close());
beforeEach(async () => {
  await query(dataSource, 'TRUNCATE disabled_endpoints, outbox, outbox_streams, outbox_relays');
  await transaction(dataSource, (tx) => Outbox.open(tx, 's'));
});

const running: DisabledEndpoints[] = [];
afterEach(() => Promise.all(running.splice(0).map((each) => each.stop())));
/** A worker's view; follows the ledger only when it is told to. */
function worker(source = dataSource): DisabledEndpoints {
  const endpoints = new DisabledEndpoints({ dataSource: source, stream: 's', logger, refreshMs: 100 });
  running.push(endpoints);
  return endpoints;
}

const gone = (more: Partial<GoneEndpoint> = {}): GoneEndpoint => ({
  tenant: 'default',
  channel: 'webhook',
  endpoint: URL_1,
  deliveryId: newNotificationId(),
  calledAt: new Date(),
  ...more,
});
const enable = (version: number): EnableRequested => ({
  tenant: 'default',
  channel: 'webhook',
  endpoint: URL_1,
  version,
  requestedAt: new Date().toISOString(),
  requestedBy: 'bootstrap',
});
const facts = async () =>
  (
    await query<{ headers: Record<string, string>; key: string; value: Buffer }>(
      dataSource,
      'SELECT headers, key, value FROM outbox ORDER BY seq',
    )
  ).map(({ headers, key, value }) => ({
    type: headers['ce_type'],
    key,
    data: JSON.parse(value.toString()) as EndpointFact,
  }));
const isGone = (endpoints: DisabledEndpoints): boolean => endpoints.isDisabled('default', 'webhook', URL_1);
const stateSettles = (count: number): Promise<unknown> =>
  waitUntil(`${count} facts are there`, async () => (await facts()).length === count);

describe('disabled endpoints', () => {
  it('are so at once here, within moments for every other worker, and for that tenant and URL alone', async () => {
    const [one, other] = [worker(), worker()];
    other.start();
    expect(isGone(one)).toBe(false);
    one.disable(gone());
    expect(isGone(one)).toBe(true);
    await waitUntil('the other worker knows', () => isGone(other));
    expect(one.isDisabled('acme', 'webhook', URL_1)).toBe(false);
    expect(one.isDisabled('default', 'webhook', `${URL_1}2`)).toBe(false);
    expect(one.isDisabled('default', 'log', undefined)).toBe(false);
    const late = worker();
    await late.refresh();
    expect(isGone(late)).toBe(true);
  });

  it('are told of once, however many answers and workers say so', async () => {
    const workers = [worker(), worker(), worker()];
    for (const each of workers) for (let i = 0; i < 3; i++) each.disable(gone());
    await waitUntil('all is written', async () => (await facts()).length > 0);
    await Promise.all(workers.map((each) => each.stop()));
    expect(await facts()).toMatchObject([
      {
        type: 'bongsu.endpoint.disabled.v1',
        key: `default/webhook:${endpointHash(URL_1)}`,
        data: { tenant: 'default', channel: 'webhook', endpoint: URL_1, version: 1 },
      },
    ]);
  });

  it('are enabled by the command that answers their version, once', async () => {
    const [one, other] = [worker(), worker()];
    other.start();
    one.disable(gone());
    await waitUntil('the other worker knows', () => isGone(other));
    await stateSettles(1);
    await one.enable([enable(7)]);
    expect(isGone(one)).toBe(true);
    await one.enable([enable(1), enable(1)]);
    await one.enable([enable(1)]);
    await waitUntil('the other worker knows', () => !isGone(other));
    await waitUntil('and this one', () => !isGone(one));
    expect((await facts()).map(({ type, data }) => [type, data.version])).toEqual([
      ['bongsu.endpoint.disabled.v1', 1],
      ['bongsu.endpoint.enabled.v1', 2],
    ]);
  });

  it('stay enabled when a call that was under way answers, and not when a new one does', async () => {
    const one = worker();
    const before = new Date(Date.now() - 10_000);
    one.disable(gone({ calledAt: before }));
    await stateSettles(1);
    await one.enable([enable(1)]);
    one.disable(gone({ calledAt: before }));
    await waitUntil('that is found out', () => !isGone(one));
    expect(await facts()).toHaveLength(2);
    one.disable(gone({ calledAt: new Date(Date.now() + 1_000) }));
    await stateSettles(3);
    expect((await facts()).at(-1)).toMatchObject({ type: 'bongsu.endpoint.disabled.v1', data: { version: 3 } });
    // The command that was answered by version 2 comes again.
    await one.enable([enable(1)]);
    expect(isGone(one)).toBe(true);
  });

  it('are written when the ledger is back, and respected meanwhile', async () => {
    const { hostname, port } = new URL(url);
    const proxy = await TcpProxy.start({ host: hostname, port: Number(port) });
    const through = new URL(url);
    [through.hostname, through.port] = ['127.0.0.1', String(proxy.port)];
    const source = notificationDataSource(through.href, 2);
    await source.initialize();
    try {
      const one = worker(source);
      proxy.set('down');
      one.disable(gone());
      expect(isGone(one)).toBe(true);
      await new Promise((resolve) => setTimeout(resolve, 300));
      expect([isGone(one), await facts()]).toEqual([true, []]);
      proxy.set('up');
      await stateSettles(1);
      expect(isGone(one)).toBe(true);
    } finally {
      await source.destroy();
      await proxy.stop();
    }
  });
});
