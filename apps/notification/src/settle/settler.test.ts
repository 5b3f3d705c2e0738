import type { Priority } from '@bongsu/contracts';
import { createLogger } from '@bongsu/observability';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Ledger, Settlement } from '../ledger/ledger.js';
import { leased } from '../testing/leased.js';
import { Settler } from './settler.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const outcome = (priority: Priority): Settlement => ({
  delivery: leased({ priority }),
  status: 'delivered',
  attempts: 1,
  version: 1,
  nextAttemptAt: null,
  ended: true,
  postponed: false,
  fact: undefined,
});

/** A settler whose ledger takes everything at once. */
function settling(isYielding: boolean) {
  const batches: number[] = [];
  const ledger: Pick<Ledger, 'settle'> = {
    settle: (settlements) => {
      batches.push(settlements.length);
      return Promise.resolve([]);
    },
  };
  const none = (): void => undefined;
  const events = { onCommitted: none, onWoken: none, onAbandoned: none, onLeaseLost: none };
  const settler = new Settler(ledger as Ledger, events, createLogger('test', 'silent'), () => isYielding);
  const add = async (priority: Priority, count = 1): Promise<void> => {
    for (let i = 0; i < count; i++) settler.add(outcome(priority));
    await vi.advanceTimersByTimeAsync(0);
  };
  return { settler, batches, add };
}

describe('Settler', () => {
  it('writes what is there at once, and the rest in the next transaction', async () => {
    const { batches, add } = settling(false);
    await add('bulk', 3);
    await add('bulk', 600);
    expect(batches).toEqual([3, 500, 100]);
  });

  it('gathers outcomes of bulk while it gives way, and keeps none for long', async () => {
    const { settler, batches, add } = settling(true);
    await add('bulk');
    await add('bulk', 2);
    await add('bulk', 2);
    expect(batches).toEqual([1]);
    await vi.advanceTimersByTimeAsync(50);
    expect(batches).toEqual([1, 4]);
    expect(settler.unsettled).toBe(0);
  });

  it('lets no other lane wait for it, and writes many at once', async () => {
    const { batches, add } = settling(true);
    await add('bulk');
    await add('bulk');
    await add('urgent');
    expect(batches).toEqual([1, 2]);
    await add('bulk', 100);
    expect(batches).toEqual([1, 2, 100]);
  });

  it('has written everything when it is drained', async () => {
    const { settler, batches, add } = settling(true);
    await add('bulk');
    await add('bulk', 2);
    const drained = settler.drained();
    await vi.advanceTimersByTimeAsync(100);
    await drained;
    expect(batches).toEqual([1, 2]);
  });
});
