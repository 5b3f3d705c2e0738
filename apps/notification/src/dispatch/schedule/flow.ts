import { hash } from 'node:crypto';
import type { Channel, Priority } from '@bongsu/contracts';
import type { LeasedDelivery } from '../../ledger/delivery.js';
import { Fifo } from './fifo.js';

/** What flows together: one tenant's deliveries of one lane to one destination. Fairness is between flows. */
export interface FlowOf {
  readonly priority: Priority;
  readonly tenant: string;
  readonly channel: Channel;
  /** The provider's `destination`; empty where there is only one. */
  readonly destination: string;
}

/** A flow's number, as the ledger keeps it: 64 bits of a hash. Two flows with one number would share a turn, no more. */
export function flowId({ priority, tenant, channel, destination }: FlowOf): string {
  const name = `${priority}\0${channel}\0${destination}\0${tenant}`;
  let id = remembered.get(name);
  if (id === undefined) {
    id = String(hash('sha256', name, 'buffer').readBigInt64BE());
    if (remembered.size >= 10_000) remembered.clear();
    remembered.set(name, id);
  }
  return id;
}
const remembered = new Map<string, string>();

/** The deliveries of one lane, key and channel: one at a time, in the order they came. */
export interface KeyLine {
  readonly name: string;
  readonly lock: KeyLock;
  waiting: Fifo<LeasedDelivery>;
  /** Whether the line stands in its flow, or waits for the lock; it must not stand there twice. */
  queued: boolean;
}

/** A key and channel over all lanes: whoever runs holds it, lines of other lanes wait. */
export interface KeyLock {
  readonly name: string;
  running: boolean;
  readonly waiters: KeyLine[];
  lines: number;
}

export interface Flow extends FlowOf {
  readonly id: string;
  readonly tenantQueue: TenantQueue;
  /** Lines that may start. */
  readonly lines: Fifo<KeyLine>;
  /** Taking turns, standing aside until something changes, or with nothing to start. */
  state: 'ready' | 'aside' | 'idle';
  /** Where it was let through from: should others take its place, it goes back there as the first. */
  from: Aside | undefined;
}

/** One tenant's share of a lane. */
export interface TenantQueue {
  readonly lane: Lane;
  readonly tenant: string;
  /** Flows that may start, by turn. */
  readonly flows: Fifo<Flow>;
  /** Also those that stand aside. */
  flowCount: number;
  queued: boolean;
}

/** Flows that stand aside until something changes, by lane. */
export type Aside = Record<Priority, Fifo<Flow>>;
export const hasAny = ({ urgent, normal, bulk }: Aside): boolean => urgent.length + normal.length + bulk.length > 0;
export const aside = (): Aside => ({ urgent: new Fifo(), normal: new Fifo(), bulk: new Fifo() });

export interface Lane {
  readonly priority: Priority;
  readonly tenants: Fifo<TenantQueue>;
  credit: number;
}
