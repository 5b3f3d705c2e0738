import type { Contracts, WireEvent } from '../snapshot.ts';
import { accessEvents } from './access.ts';
import { commandEvents } from './commands.ts';
import { factEvents } from './facts.ts';
import { requestEvents } from './requests.ts';

/** An event that each release writes down as its own encoder writes it. */
export interface GoldenEvent {
  readonly name: string;
  readonly topic: string;
  readonly key: string;
  readonly event: WireEvent;
}

/** What the golden events are made of: fixed ids and moments, so that a release is written twice as the same bytes. */
export class Golden {
  readonly contracts: Contracts;
  /** RFC 3339. */
  readonly at: string;
  readonly #prefix: string;

  constructor(contracts: Contracts, at: Date) {
    this.contracts = contracts;
    this.at = at.toISOString();
    // The time of an id decides in which partitions of the databases it is.
    this.#prefix = contracts.firstIdAt(at.getTime()).slice(0, 13);
  }

  /** A UUIDv7 of the corpus' moment; the same for the same number. */
  id(n: number): string {
    return `${this.#prefix}-7000-8000-${n.toString().padStart(12, '0')}`;
  }

  event(n: number, source: 'api' | 'notification' | 'audit', type: string, subject: string, data: object): WireEvent {
    return { id: this.id(n), source: `/bongsu/${source}`, type, subject, time: this.at, data };
  }
}

/**
 * Events of every type, each with as little and with as much as its schema takes. They may only be added to; the names
 * connect a release's record with today's.
 */
export function goldenEvents(contracts: Contracts, at: Date): GoldenEvent[] {
  const golden = new Golden(contracts, at);
  return [...requestEvents(golden), ...commandEvents(golden), ...factEvents(golden), ...accessEvents(golden)];
}
