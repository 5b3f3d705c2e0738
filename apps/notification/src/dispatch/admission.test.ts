import { newNotificationId, type Priority } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import type { AcceptedRequest } from '../ledger/accepted.js';
import { piecesOf, roomInMemory } from './admission.js';
import { Backlog } from './backlog.js';
import { MemoryShares } from './schedule/shares.js';

const FLOW = 'a flow';
const batch = (count: number, priority: Priority = 'normal'): AcceptedRequest[] =>
  Array.from({ length: count }, () => ({
    key: 'default/user-1',
    request: {
      id: newNotificationId(),
      tenant: 'default',
      recipient: { id: 'user-1' },
      channels: ['log'],
      content: { body: 'hello' },
      priority,
      acceptedAt: new Date().toISOString(),
      apiKeyId: 'bootstrap',
    },
    bytes: Buffer.alloc(0),
    trace: undefined,
  }));

function memory(capacity: number, held: number, isYielding = false) {
  const shares = new MemoryShares(capacity);
  for (let i = 0; i < held; i++) shares.take(FLOW);
  const backlog = new Backlog();
  return {
    shares,
    backlog,
    wait: async (count: number): Promise<number> => {
      const began = performance.now();
      await roomInMemory({ flowOf: () => FLOW, isYielding, shares }, backlog, 3, batch(count));
      return performance.now() - began;
    },
  };
}

describe('a batch', () => {
  it('does not wait when there is room', async () => {
    expect(await memory(1_000, 100).wait(50)).toBeLessThan(200);
  });

  it('waits for room that comes', async () => {
    const { shares, wait } = memory(1_000, 660);
    setTimeout(() => Array.from({ length: 200 }, () => shares.give(FLOW)), 50);
    const took = await wait(50);
    expect(took).toBeGreaterThan(40);
    expect(took).toBeLessThan(245);
  });

  it('takes the room that it found, so that another one does not find it too', async () => {
    const { shares, backlog } = memory(1_000, 600);
    const dispatcher = { flowOf: () => FLOW, isYielding: false, shares };
    const both = [3, 4].map((shard) => roomInMemory(dispatcher, backlog, shard, batch(55)));
    const [first, second] = await Promise.all(both);
    expect([first !== undefined, second, shares.heldBy(FLOW)]).toEqual([true, undefined, 655]);
    expect([first?.use(FLOW), first?.use('another')]).toEqual([true, false]);
    first?.giveBack();
    first?.giveBack();
    expect(shares.heldBy(FLOW)).toBe(601);
  });

  it('goes on into the ledger when none comes', async () => {
    expect(await memory(1_000, 660).wait(50)).toBeGreaterThan(240);
  });

  it('does not wait to be behind others of its flow, nor where bulk gives way', async () => {
    const { backlog, wait } = memory(1_000, 660);
    backlog.adding(3, FLOW, 'normal');
    expect(await wait(50)).toBeLessThan(200);
    expect(await memory(1_000, 660, true).wait(50)).toBeLessThan(200);
  });

  it('asks for no more of a small memory than a tenth', async () => {
    expect(await memory(100, 40).wait(500)).toBeLessThan(200);
  });
});

describe('the pieces of a batch', () => {
  const sizes = (pieces: Iterable<readonly AcceptedRequest[]>): number[] => Array.from(pieces, (each) => each.length);

  it('is one while nobody urgent comes, and also then where it is not bulk', () => {
    expect(sizes(piecesOf(batch(450, 'bulk'), () => false))).toEqual([450]);
    expect(sizes(piecesOf(batch(450, 'urgent'), () => true))).toEqual([450]);
  });

  it('are small as long as bulk gives way, and together are the batch in its order', () => {
    const bulk = batch(450, 'bulk');
    expect(sizes(piecesOf(bulk, () => true))).toEqual([100, 100, 100, 100, 50]);
    let asked = 0;
    const pieces = [...piecesOf(bulk, () => ++asked < 3)];
    expect(sizes(pieces)).toEqual([100, 100, 250]);
    expect(pieces.flat()).toEqual(bulk);
  });
});
