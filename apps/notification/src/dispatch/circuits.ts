import {
  BrokenCircuitError,
  CircuitState,
  CountBreaker,
  IterableBackoff,
  circuitBreaker,
  handleWhenResult,
  type CircuitBreakerPolicy,
} from 'cockatiel';
import type { Outcome, Provider } from '../channels/provider.js';
import { circuitState } from './metrics.js';

/** A circuit opens when half of the last 20 calls failed, and not before 10 were made. */
const WINDOW = { threshold: 0.5, size: 20, minimumNumberOfCalls: 10 };
/**
 * How long it stays open before one call tries whether the other side is back, milliseconds; longer each time that fails. The
 * longest is half of the 75 s within which a provider that has recovered is to be used again.
 */
const OPEN_FOR_MS = [5_000, 10_000, 20_000, 30_000];
/** How soon to look again while one call is trying, milliseconds. */
const TRIAL_MS = 1_000;
/** After how long without a call an open circuit of one destination of many is forgotten, counted from when it could be tried, milliseconds. */
const IDLE_MS = 120_000;
/** Destinations that are remembered; of more, the ones without trouble are forgotten first. */
const MAX_CIRCUITS = 10_000;

/** In the metric: 0 closed, 1 half open, 2 open; of a provider with many destinations, the worst. */
const SEVERITY = {
  [CircuitState.Closed]: 0,
  [CircuitState.HalfOpen]: 1,
  [CircuitState.Open]: 2,
  [CircuitState.Isolated]: 2,
} as const;

interface Circuit {
  readonly policy: CircuitBreakerPolicy;
  readonly provider: Provider;
  /** How often it has opened since it was last closed. */
  openings: number;
  openUntil: number;
}

/**
 * A temporary failure that says something of the other side as a whole. A mailbox that is full or a rate limit is about one
 * recipient or about us, and must not stop what goes to others.
 */
const isFault = (outcome: Outcome): boolean => outcome.kind === 'retry' && !/^(smtp_45|http_4)/.test(outcome.code);

/** A circuit breaker for each provider, or, where one provider talks to many, for each destination. */
export class Circuits {
  readonly #circuits = new Map<string, Circuit>();
  readonly #now: () => number;

  constructor(providers: readonly Provider[], now: () => number = Date.now) {
    this.#now = now;
    // Seen from the start: an alert on a series that is not there never fires.
    for (const { channel, name } of providers) circuitState.set({ channel, provider: name }, 0);
  }

  /** When the provider may be called for this destination, milliseconds since 1970; 0 when at once. */
  availableAt(provider: Provider, destination: string): number {
    const circuit = this.#circuits.get(nameOf(provider, destination));
    if (!circuit || circuit.policy.state === CircuitState.Closed) return 0;
    if (circuit.policy.state === CircuitState.HalfOpen) return this.#now() + TRIAL_MS;
    return circuit.openUntil <= this.#now() ? 0 : circuit.openUntil;
  }

  /** Makes the call and learns from its outcome. */
  async call(provider: Provider, destination: string, work: () => Promise<Outcome>): Promise<Outcome> {
    try {
      return await this.#circuit(provider, destination).policy.execute(work);
    } catch (error) {
      // Open after all, and the caller has decided that the call is to be made.
      if (error instanceof BrokenCircuitError) return work();
      throw error;
    }
  }

  /**
   * Forgets destinations that fail and that nobody calls any more, as their deliveries have all ended: in the metric they would be
   * broken for ever. What is known of a provider with one place is kept until its next call.
   */
  forgetIdle(): void {
    const changed = new Set<Provider>();
    for (const [name, { policy, provider, openUntil }] of this.#circuits) {
      if (!provider.destination || policy.state !== CircuitState.Open || openUntil + IDLE_MS > this.#now()) continue;
      this.#circuits.delete(name);
      changed.add(provider);
    }
    for (const provider of changed) this.#measure(provider);
  }

  #circuit(provider: Provider, destination: string): Circuit {
    const name = nameOf(provider, destination);
    let circuit = this.#circuits.get(name);
    if (!circuit) {
      circuit = this.#create(provider);
      if (this.#circuits.size >= MAX_CIRCUITS) this.#forgetOne();
    }
    // Again at the end: the order of the map is the order of use.
    this.#circuits.delete(name);
    this.#circuits.set(name, circuit);
    return circuit;
  }

  #create(provider: Provider): Circuit {
    const policy = circuitBreaker(
      handleWhenResult((outcome) => isFault(outcome as Outcome)),
      {
        breaker: new CountBreaker(WINDOW),
        halfOpenAfter: new IterableBackoff(OPEN_FOR_MS),
      },
    );
    const circuit: Circuit = { policy, provider, openings: 0, openUntil: 0 };
    policy.onStateChange((state) => {
      if (state === CircuitState.Open) {
        const openFor = OPEN_FOR_MS[Math.min(circuit.openings++, OPEN_FOR_MS.length - 1)] ?? 0;
        circuit.openUntil = this.#now() + openFor;
      } else if (state === CircuitState.Closed) circuit.openings = 0;
      this.#measure(provider);
    });
    return circuit;
  }

  #forgetOne(): void {
    for (const [name, { policy }] of this.#circuits) {
      if (policy.state !== CircuitState.Closed) continue;
      this.#circuits.delete(name);
      return;
    }
    const [oldest] = this.#circuits.keys();
    if (oldest !== undefined) this.#circuits.delete(oldest);
  }

  #measure(provider: Provider): void {
    let worst = 0;
    for (const circuit of this.#circuits.values()) {
      if (circuit.provider === provider) worst = Math.max(worst, SEVERITY[circuit.policy.state]);
    }
    circuitState.set({ channel: provider.channel, provider: provider.name }, worst);
  }
}

const nameOf = (provider: Provider, destination: string): string =>
  `${provider.channel} ${provider.name} ${provider.destination ? destination : ''}`;
