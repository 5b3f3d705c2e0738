import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Outcome, Provider } from '../channels/provider.js';
import { Circuits } from './circuits.js';
import { circuitState } from './metrics.js';

const FAULT: Outcome = { kind: 'retry', code: 'timeout', message: 'No answer' };
const provider = (name: string, given: Partial<Provider> = {}): Provider => ({
  name,
  channel: 'webhook',
  deliver: () => Promise.resolve(FAULT),
  ...given,
});
const toMany = provider('many', { destination: ({ webhook }) => webhook?.url ?? '' });
const toOne = provider('one');

beforeEach(() => vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => vi.useRealTimers());

describe('circuit_state', () => {
  const shown = async (of: Provider) =>
    (await circuitState.get()).values.find(({ labels }) => labels.provider === of.name)?.value;

  async function broken(): Promise<Circuits> {
    const circuits = new Circuits([toMany, toOne]);
    for (let n = 0; n < 10; n++) {
      await circuits.call(toMany, 'gone.example', () => Promise.resolve(FAULT));
      await circuits.call(toOne, '', () => Promise.resolve(FAULT));
    }
    expect([await shown(toMany), await shown(toOne)]).toEqual([2, 2]);
    return circuits;
  }

  it('forgets a destination that nobody calls any more: it would show as broken for ever', async () => {
    const circuits = await broken();
    vi.setSystemTime(Date.now() + 5_000 + 60_000);
    circuits.forgetIdle();
    expect(await shown(toMany)).toBe(2);
    vi.setSystemTime(Date.now() + 61_000);
    circuits.forgetIdle();
    expect(await shown(toMany)).toBe(0);
    expect(circuits.availableAt(toMany, 'gone.example')).toBe(0);
  });

  it('keeps what is known of a provider with one place, and of a destination that is still called', async () => {
    const circuits = await broken();
    for (let n = 0; n < 5; n++) {
      vi.setSystemTime(Date.now() + 60_000);
      await circuits.call(toMany, 'gone.example', () => Promise.resolve(FAULT));
      circuits.forgetIdle();
    }
    expect([await shown(toMany), await shown(toOne)]).toEqual([2, 2]);
  });
});
