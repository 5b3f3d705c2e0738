import type { Provider } from '../channels/provider.js';
import type { LeasedDelivery } from '../ledger/delivery.js';
import type { Circuits } from './circuits.js';
import type { FlowOf } from './schedule/flow.js';
import type { Gate } from './schedule/gate.js';
import type { Gates } from './schedule/gates.js';

/** Which way deliveries go: the providers of their channel, where each is to be found, and which is to be called now. */
export class Routes {
  readonly #providers: (channel: string) => readonly Provider[];
  readonly #gates: Gates;
  readonly #circuits: Circuits;

  /** @param providers those of a channel, in order of preference */
  constructor(providers: (channel: string) => readonly Provider[], gates: Gates, circuits: Circuits) {
    this.#providers = providers;
    this.#gates = gates;
    this.#circuits = circuits;
  }

  /** Empty where the provider has only one. */
  destinationOf({ channel, request }: LeasedDelivery): string {
    return this.#providers(channel)[0]?.destination?.(request.recipient) ?? '';
  }

  /** The preferred provider that is neither broken nor has asked for a pause; when there is none, the preferred one. */
  gateOf({ channel, destination, tenant }: FlowOf): Gate | undefined {
    const providers = this.#providers(channel);
    const [preferred] = providers;
    if (!preferred) return undefined;
    if (providers.length > 1) {
      for (const provider of providers) {
        const gate = this.#gates.of(provider, destination, tenant);
        if (gate.opensAt <= Date.now() && this.#circuits.availableAt(provider, destination) === 0) return gate;
      }
    }
    return this.#gates.of(preferred, destination, tenant);
  }
}
