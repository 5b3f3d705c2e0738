import { PRIORITIES, type Priority } from '@bongsu/contracts';
import { Fifo } from './fifo.js';
import { flowId, type Aside, type Flow, type FlowOf, type Lane, type TenantQueue } from './flow.js';

/**
 * What of every 21 starts goes to each lane while all of them have work: urgent hardly notices the others, bulk never
 * stops.
 */
const WEIGHTS: Record<Priority, number> = { urgent: 16, normal: 4, bulk: 1 };

/**
 * Whose turn it is among the flows: in a lane the tenants take turns, in a tenant its flows. A flow that may not start
 * stands aside in a queue of what it waits for, and comes back one at a time; when others then take its place it goes back as
 * the first, and when it has nothing to start any more its chance is the next one's.
 */
export class Turns {
  readonly #lanes: readonly Lane[] = PRIORITIES.map((priority) => ({ priority, tenants: new Fifo(), credit: 0 }));
  readonly #tenants = new Map<string, TenantQueue>();
  readonly #flows = new Map<string, Flow>();

  flow(of: FlowOf): Flow {
    const id = flowId(of);
    let flow = this.#flows.get(id);
    if (!flow) {
      const tenantQueue = this.#tenantQueue(of);
      tenantQueue.flowCount++;
      flow = { ...of, id, tenantQueue, lines: new Fifo(), state: 'idle', from: undefined };
      this.#flows.set(id, flow);
    }
    return flow;
  }

  /**
   * Of the flows that `startable` says may start, the one whose turn it is, with what was said of it. The lanes share by
   * smooth weighted round-robin, as in nginx. `startable` puts aside, or forgets, a flow that may not.
   */
  next<T>(startable: (flow: Flow) => T | undefined): T | undefined {
    let best: { lane: Lane; found: T } | undefined;
    let total = 0;
    for (const lane of this.#lanes) {
      const found = this.#first(lane, startable);
      if (found === undefined) continue;
      total += WEIGHTS[lane.priority];
      lane.credit += WEIGHTS[lane.priority];
      if (!best || lane.credit > best.lane.credit) best = { lane, found };
    }
    if (!best) return undefined;
    best.lane.credit -= total;
    return best.found;
  }

  #first<T>(lane: Lane, startable: (flow: Flow) => T | undefined): T | undefined {
    for (let tenant = lane.tenants.peek(); tenant; tenant = lane.tenants.peek()) {
      const flow = tenant.flows.peek();
      if (flow) {
        const found = startable(flow);
        if (found !== undefined) return found;
        continue;
      }
      lane.tenants.shift();
      tenant.queued = false;
      if (tenant.flowCount === 0) this.#tenants.delete(nameOf(tenant));
    }
    return undefined;
  }

  /** It has something to start. */
  ready(flow: Flow): void {
    flow.state = 'ready';
    const { tenantQueue } = flow;
    tenantQueue.flows.push(flow);
    if (tenantQueue.queued) return;
    tenantQueue.queued = true;
    tenantQueue.lane.tenants.push(tenantQueue);
  }

  /** The flow that `next` found has started something: it and its tenant go behind the others. */
  started(flow: Flow): void {
    const { tenantQueue } = flow;
    flow.from = undefined;
    tenantQueue.flows.push(tenantQueue.flows.shift()!);
    tenantQueue.lane.tenants.push(tenantQueue.lane.tenants.shift()!);
  }

  /** The flow that `next` asks about has to wait for something. */
  putAside(flow: Flow, where: Aside): void {
    flow.tenantQueue.flows.shift();
    flow.state = 'aside';
    const queue = where[flow.priority];
    if (flow.from === where) queue.unshift(flow);
    else {
      queue.push(flow);
      this.#passOn(flow);
    }
    flow.from = undefined;
  }

  /** The flow that `next` asks about has nothing to start. */
  forget(flow: Flow): void {
    flow.tenantQueue.flows.shift();
    flow.state = 'idle';
    this.#flows.delete(flow.id);
    flow.tenantQueue.flowCount--;
    this.#passOn(flow);
  }

  /** One flow of each lane is asked again; who of them starts is decided by `next`. */
  letThrough(where: Aside): void {
    for (const priority of PRIORITIES) this.letOneThrough(where, priority);
  }

  letOneThrough(where: Aside, priority: Priority): void {
    const flow = where[priority].shift();
    if (!flow) return;
    flow.from = where;
    this.ready(flow);
  }

  #passOn({ from, priority }: Flow): void {
    if (from) this.letOneThrough(from, priority);
  }

  #tenantQueue({ priority, tenant }: FlowOf): TenantQueue {
    const lane = this.#lanes[PRIORITIES.indexOf(priority)]!;
    const name = nameOf({ lane, tenant });
    let queue = this.#tenants.get(name);
    if (!queue) {
      queue = { lane, tenant, flows: new Fifo(), flowCount: 0, queued: false };
      this.#tenants.set(name, queue);
    }
    return queue;
  }
}

const nameOf = ({ lane, tenant }: Pick<TenantQueue, 'lane' | 'tenant'>): string => `${lane.priority} ${tenant}`;
