import type { ServiceName } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Load } from './load.js';
import { WebhookReceiver } from './receivers.js';
import { System } from './system.js';

/** Deliveries that may be in flight at a kill: as many calls may be repeated by it. */
const CONCURRENCY = 16;

let system: System;
let webhook: WebhookReceiver;

beforeAll(async () => {
  webhook = await WebhookReceiver.start();
  system = await System.start('kill', ['api', 'notification', 'audit'], {
    LEASE_TIME: '2s',
    DISPATCH_CONCURRENCY: String(CONCURRENCY),
    CLAIM_INTERVAL: '50ms',
    RETRY_SCHEDULE: '200ms,500ms,1s,2s,4s',
  });
});
afterAll(async () => {
  await system.stop();
  await webhook.stop();
});

const SERVICES: readonly ServiceName[] = ['api', 'notification', 'audit'];

describe('under load', () => {
  it.each(SERVICES)('a hard kill of %s loses no notification that was answered 202', async (victim) => {
    const load = new Load(system, webhook);
    await load.more(200);
    await system.killAndRestart(victim);
    await load.more(200);
    await load.stop();
    await load.ended();

    const received = load.received();
    expect(received.filter((calls) => calls.length === 0)).toEqual([]);
    // A call may be repeated only if it was in flight at the kill, and then it carries the same delivery id.
    const repeated = received.filter((calls) => calls.length > 1).length;
    expect(repeated).toBeLessThanOrEqual(victim === 'notification' ? CONCURRENCY : 0);
    for (const calls of received) expect(new Set(calls.map(({ headers }) => headers['webhook-id'])).size).toBe(1);

    await load.audited();
    expect((await system.cli(['audit', 'verify'])).code).toBe(0);
    const last = [...load.accepted].at(-1)!;
    await expect.poll(async () => (await system.notification(last)).status, { timeout: 15_000 }).toBe('delivered');
  });

  it('a restart in order of each service loses nothing, repeats nothing, and takes less than 10 s', async () => {
    const load = new Load(system, webhook);
    for (const name of SERVICES) {
      await load.more(100);
      const asked = performance.now();
      expect(await system.service(name).stop()).toBe(0);
      expect(performance.now() - asked).toBeLessThan(10_000);
      await system.startService(name);
    }
    await load.more(100);
    await load.stop();
    await load.ended();
    expect(load.received().filter((calls) => calls.length !== 1)).toEqual([]);
    await load.audited();
  });
});
