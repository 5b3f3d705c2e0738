import type { Provider } from '../../channels/provider.js';
import { Gate, type GateLimits } from './gate.js';

/** Gates that are remembered; of more, those at rest are forgotten. */
const MAX_GATES = 10_000;

/** The gate of each provider, or, where one provider talks to many, of each tenant's destination. */
export class Gates {
  readonly #limitsOf: (provider: Provider, destination: string) => GateLimits;
  readonly #gates = new Map<string, Gate>();

  constructor(limitsOf: (provider: Provider, destination: string) => GateLimits) {
    this.#limitsOf = limitsOf;
  }

  /**
   * What one receiver asks of one tenant (429) is not another tenant's affair, even on the same host; what a provider of all
   * asks is everybody's.
   * @param destination empty for a provider that has only one
   */
  of(provider: Provider, destination: string, tenant: string): Gate {
    const single = provider.destination === undefined;
    const name = single ? provider.name : `${provider.name}\0${destination}\0${tenant}`;
    let gate = this.#gates.get(name);
    if (!gate) {
      if (this.#gates.size >= MAX_GATES) this.#forgetIdle();
      const limits = this.#limitsOf(provider, destination);
      const { concurrency = provider.concurrency } = limits;
      gate = new Gate(provider, destination, { ...limits, ...(concurrency === undefined ? {} : { concurrency }) });
      this.#gates.set(name, gate);
    }
    return gate;
  }

  #forgetIdle(): void {
    const now = Date.now();
    for (const [name, gate] of this.#gates) if (gate.isIdle && gate.opensAt <= now) this.#gates.delete(name);
  }
}
