import { NOTIFICATION_REQUESTED, TOPICS, encodeEvent, type Priority } from '@bongsu/contracts';
import { waitUntil } from '@bongsu/testing';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Engine } from '../../../apps/notification/src/engine.js';
import { RequestsController } from '../../../apps/notification/src/intake/requests.controller.js';
import type { AcceptedRequest } from '../../../apps/notification/src/ledger/accepted.js';
import { Bench } from '../kafka/harness.js';
import { accepted } from './ledger-rig.js';

let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start(Object.values(TOPICS.requests));
});
afterEach(() => bench.end());

it('brings urgent requests while a few of bulk wait for their turn', async () => {
  const taken: string[] = [];
  const { promise: turn, resolve: itsTurn } = Promise.withResolvers<void>();
  // What the engine does with bulk that it takes in ahead, for as long as the test says.
  const takeIn = async (_shard: number, batch: readonly AcceptedRequest[]): Promise<void> => {
    taken.push(...batch.map(({ request }) => request.priority));
    if (batch[0]!.request.priority === 'bulk') await turn;
  };
  const producer = await bench.producer();
  const strategy = bench.strategy(producer, { group: 'bongsu.notification' });
  await bench.app(strategy, [RequestsController], [{ provide: Engine, useValue: { takeIn } }]);
  const send = (priority: Priority): Promise<unknown> => {
    const { key, request } = accepted({ priority });
    const event = {
      id: request.id,
      source: '/bongsu/api',
      type: NOTIFICATION_REQUESTED,
      subject: request.id,
      time: request.acceptedAt,
      data: request,
    };
    return producer.send(encodeEvent(TOPICS.requests[priority], key, event));
  };
  try {
    await send('bulk');
    await waitUntil('bulk is there', () => taken.includes('bulk'));
    await send('urgent');
    await waitUntil('urgent is there', () => taken.includes('urgent'), { timeoutMs: 5_000 });
    expect(taken).toEqual(['bulk', 'urgent']);
  } finally {
    itsTurn();
  }
});
