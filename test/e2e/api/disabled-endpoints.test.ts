import {
  encodeEvent,
  ENABLE_REQUESTED,
  ENDPOINT_DISABLED,
  ENDPOINT_ENABLED,
  endpointHash,
  endpointKey,
  newEventId,
  newNotificationId,
  TOPICS,
  type EndpointFact,
} from '@bongsu/contracts';
import type { KafkaProducer } from '@bongsu/kafka';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { call, makeKey, producerFor, readerOf, recordsOf, System } from './api-system.js';

let system: System;
let url: string;
let producer: KafkaProducer;
beforeAll(async () => {
  system = await System.start('endpoints', ['api']);
  url = system.service('api').url;
  producer = await producerFor(system);
});
afterAll(async () => {
  await producer.close();
  await system.stop();
});

const { page } = readerOf(() => url);
const list = (query = '') => page<Partial<EndpointFact>>(`/v1/disabled-endpoints${query}`);
const listed = async () => (await list()).data.map(({ endpoint }) => endpoint);
const enable = (query: Record<string, string>, key?: string) =>
  call(url, 'delete', `/v1/disabled-endpoints?${new URLSearchParams(query)}`, key);

const said = (endpoint: string, version: number, more: Partial<EndpointFact> = {}) => {
  const data: EndpointFact = {
    tenant: 'default',
    channel: 'webhook',
    endpoint,
    version,
    at: new Date(Date.UTC(2026, 10, 21, 0, version)).toISOString(),
    deliveryId: newNotificationId(),
    ...more,
  };
  return encodeEvent(TOPICS.events, endpointKey(data.tenant, data.channel, endpoint), {
    id: newEventId(),
    source: '/bongsu/notification',
    type: version % 2 === 1 ? ENDPOINT_DISABLED : ENDPOINT_ENABLED,
    subject: endpointHash(endpoint),
    time: data.at,
    data,
  });
};

describe('disabled endpoints', () => {
  const [one, two, three] = ['https://a.example/1', 'https://a.example/2?q=%20', 'https://b.example/3'] as const;

  it('are listed, newest first, page by page, to their tenant alone', async () => {
    await producer.sendAll([
      said(one, 1),
      said(two, 3),
      said(three, 5),
      said('https://acme.example/', 1, { tenant: 'acme' }),
    ]);
    await expect.poll(listed, { timeout: 15_000 }).toEqual([three, two, one]);
    expect((await list('?limit=1')).data).toEqual([
      {
        channel: 'webhook',
        endpoint: three,
        disabledAt: '2026-11-21T00:05:00.000Z',
        deliveryId: expect.any(String) as string,
      },
    ]);
    const pages: unknown[] = [];
    for (let cursor = ''; ;) {
      const next = await list(`?limit=1${cursor}`);
      pages.push(...next.data.map(({ endpoint }) => endpoint));
      if (!next.nextCursor) break;
      cursor = `&cursor=${next.nextCursor}`;
    }
    expect(pages).toEqual([three, two, one]);
    const { key } = await makeKey(url);
    expect((await page<{ endpoint: string }>('/v1/disabled-endpoints', key)).data).toMatchObject([
      { endpoint: 'https://acme.example/' },
    ]);
  });

  it('are enabled by a command that answers their version, whatever the spelling; unknown ones are 404', async () => {
    const answer = await enable({ channel: 'webhook', endpoint: 'HTTPS://A.example:443/2?q= #part' });
    expect([answer.status, answer.body]).toEqual([202, { channel: 'webhook', endpoint: two }]);
    const [command] = await recordsOf(system, TOPICS.commands);
    const headers = Object.fromEntries(command!.headers.map(([name, value]) => [name, value.toString()]));
    expect([command!.key!.toString(), headers['ce_type']]).toEqual([
      endpointKey('default', 'webhook', two),
      ENABLE_REQUESTED,
    ]);
    expect(JSON.parse(command!.value!.toString())).toMatchObject({
      tenant: 'default',
      channel: 'webhook',
      endpoint: two,
      version: 3,
      requestedBy: 'bootstrap',
    });
    await producer.send(said(two, 4));
    await expect.poll(listed, { timeout: 15_000 }).toEqual([three, one]);
    await producer.sendAll([said(two, 3), said(one, 0 + 1)]);
    expect(await listed()).toEqual([three, one]);
    for (const endpoint of [two, 'https://acme.example/', 'not a URL'])
      expect((await enable({ channel: 'webhook', endpoint })).status).toBe(404);
    expect((await enable({ channel: 'log', endpoint: one })).status).toBe(404);
    await producer.send(said(two, 7));
    await expect.poll(listed, { timeout: 15_000 }).toEqual([two, three, one]);
  });

  it('refuse what is not clear or not allowed', async () => {
    for (const query of [{}, { channel: 'webhook' }, { endpoint: one }, { channel: 'fax', endpoint: one }])
      expect((await enable(query as Record<string, string>)).status).toBe(400);
    const { key } = await makeKey(url, { scopes: ['notifications:read'] });
    expect((await enable({ channel: 'webhook', endpoint: one }, key)).status).toBe(403);
    expect(system.service('api').log).not.toContain('handler_failed');
  });
});
