import { PRIORITIES, type Priority } from '@bongsu/contracts';
import type { LeasedDelivery } from '../../ledger/delivery.js';
import { Fifo } from './fifo.js';
import { aside, type Aside, type Flow, type KeyLine } from './flow.js';
import type { Gate } from './gate.js';
import { KeyLines } from './key-lines.js';
import { Slots } from './slots.js';
import { Turns } from './turns.js';

/** A gate that stays shut for longer is not worth waiting for in memory, where there is a choice. Milliseconds. */
const WORTH_WAITING_MS = 2_000;

export interface SchedulerOptions {
  /** Deliveries under way or not yet settled, at most. */
  readonly concurrency: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** The destination of a delivery; empty where its provider has only one. */
  readonly destinationOf: (delivery: LeasedDelivery) => string;
  /** The gate that a flow's next delivery goes through now; undefined when there is no provider, which is no reason to wait. */
  readonly gateOf: (flow: Flow) => Gate | undefined;
}

export interface Started {
  readonly delivery: LeasedDelivery;
  readonly gate: Gate | undefined;
}

/** A delivery that may wait in the ledger, as its gate will not open for a while. */
export interface Deferred {
  readonly delivery: LeasedDelivery;
  /** Milliseconds since 1970. */
  readonly until: number;
}

type Startable = { readonly flow: Flow; readonly line: KeyLine; readonly gate: Gate | undefined };

/**
 * The order in which deliveries start: a state machine without I/O and timers. Lanes share by weight, in a lane its tenants
 * take turns, in a tenant its flows, in a flow its keys; in a key first come is first started. Who cannot start stands aside
 * and is asked again when what it waits for has changed: a million waiting deliveries cost a start no more than ten.
 */
export class Scheduler {
  readonly #options: SchedulerOptions;
  readonly #keys = new KeyLines();
  readonly #turns = new Turns();
  /** Flows that wait for a slot. */
  readonly #crowded = aside();
  /** Gates with flows of a lane that wait for slots to spare, as the gate has its window in use already. */
  readonly #beyondWindow: Record<Priority, Fifo<Gate>> = { urgent: new Fifo(), normal: new Fifo(), bulk: new Fifo() };
  /** Gates that time will open. */
  readonly #shut = new Set<Gate>();
  readonly #slots: Slots;
  readonly #started = new Map<string, Started>();
  #opensNext = Infinity;
  #deferred: Deferred[] = [];
  #waiting = 0;

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#slots = new Slots(options.concurrency);
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#waiting;
  }

  /** How many were taken and have not finished. */
  get running(): number {
    return this.#started.size;
  }

  /** What of all slots bulk may have at present, at most: 1 when it gives way to nobody. */
  get bulkShare(): number {
    return this.#slots.bulkShare(this.#options.now());
  }

  add(delivery: LeasedDelivery): void {
    this.#waiting++;
    this.#enqueue(this.#keys.append(delivery));
  }

  /** The next delivery that may start, or undefined. Its key is closed until `finish`, its slot in use until `release`. */
  take(): Started | undefined {
    const next = this.#turns.next((flow) => this.#startable(flow));
    if (!next) return undefined;
    const { flow, line, gate } = next;
    const delivery = line.waiting.shift()!;
    flow.lines.shift();
    line.queued = false;
    line.lock.running = true;
    this.#started.set(delivery.id, { delivery, gate });
    this.#waiting--;
    this.#slots.take(delivery, this.#options.now());
    this.#turns.started(flow);
    if (gate) this.#pass(gate);
    this.#slotsChanged();
    return { delivery, gate };
  }

  /** The delivery's attempt is over: the next of its key may start, and the next through its gate. */
  finish(delivery: LeasedDelivery): void {
    const started = this.#started.get(delivery.id);
    const line = this.#keys.of(delivery);
    if (!started || !line?.lock.running) throw new Error(`Delivery ${delivery.id} was not running`);
    this.#started.delete(delivery.id);
    const { lock } = line;
    lock.running = false;
    for (const waiter of lock.waiters.splice(0)) {
      waiter.queued = false;
      this.#enqueue(waiter);
      this.#keys.forget(waiter);
    }
    this.#enqueue(line);
    this.#keys.forget(line);
    if (!started.gate) return;
    started.gate.finish();
    this.#turns.letThrough(started.gate.blocked);
  }

  /** Slots are free again: what became of these deliveries is recorded. */
  release(deliveries: readonly LeasedDelivery[]): void {
    this.#slots.release(deliveries);
    this.#slotsChanged();
  }

  /** When `wake` is worth calling, milliseconds since 1970; Infinity when time changes nothing. */
  get opensNext(): number {
    return this.#opensNext;
  }

  /** Lets those start whose time has come. */
  wake(): void {
    const now = this.#options.now();
    this.#opensNext = Infinity;
    for (const gate of this.#shut) {
      if (gate.opensAt > now) {
        this.#opensNext = Math.min(this.#opensNext, gate.opensAt);
        continue;
      }
      this.#shut.delete(gate);
      this.#turns.letThrough(gate.blocked);
    }
    this.#slotsChanged();
  }

  /** A second place for a delivery that runs, at the gate of another provider; false when there is none right now. */
  borrow(gate: Gate, priority: Priority): boolean {
    if (gate.opensAt > this.#options.now() || !gate.hasRoom(priority)) return false;
    this.#pass(gate);
    return true;
  }

  /** Gives back what `borrow` gave. */
  handBack(gate: Gate): void {
    gate.finish();
    this.#turns.letThrough(gate.blocked);
  }

  /** Takes out what waits and matches; what runs is left to finish. */
  removeIf(matches: (delivery: LeasedDelivery) => boolean): LeasedDelivery[] {
    const { removed, moved } = this.#keys.removeIf(matches);
    this.#waiting -= removed.length;
    for (const line of moved) {
      this.#enqueue(line);
      this.#keys.forget(line);
    }
    return removed;
  }

  /** What `take` came across and need not wait in memory. */
  takeDeferred(): Deferred[] {
    const deferred = this.#deferred;
    this.#deferred = [];
    return deferred;
  }

  /** What the flow would start now; else it is put aside or forgotten. */
  #startable(flow: Flow): Startable | undefined {
    for (let line = this.#firstLine(flow); line; line = this.#firstLine(flow)) {
      const gate = this.#options.gateOf(flow);
      const now = this.#options.now();
      if (gate && gate.opensAt > now + WORTH_WAITING_MS && mayWaitInLedger(line.waiting.peek()!)) {
        this.#defer(flow, line, gate.opensAt);
        continue;
      }
      const where = this.#obstacle(flow.priority, gate, now);
      if (!where) return { flow, line, gate };
      this.#turns.putAside(flow, where);
      return undefined;
    }
    this.#turns.forget(flow);
    this.#letOneBeyond(flow.priority);
    return undefined;
  }

  /** A flow's first line that still has something to start there, and whose key is not busy in another lane. */
  #firstLine(flow: Flow): KeyLine | undefined {
    for (let line = flow.lines.peek(); line; line = flow.lines.peek()) {
      const head = line.waiting.peek();
      const isElsewhere = head !== undefined && this.#options.destinationOf(head) !== flow.destination;
      if (head && !line.lock.running && !isElsewhere) return line;
      flow.lines.shift();
      line.queued = false;
      this.#enqueue(line);
      this.#keys.forget(line);
    }
    return undefined;
  }

  /** Where a flow of the lane has to wait, if it has to. */
  #obstacle(priority: Priority, gate: Gate | undefined, now: number): Aside | undefined {
    const free = this.#slots.free(priority, now);
    if (priority === 'bulk') this.#opensNext = Math.min(this.#opensNext, this.#slots.yieldingUntil(now));
    if (!gate) return free > 0 ? undefined : this.#crowded;
    if (gate.opensAt > now) this.#shutUntilOpen(gate);
    if (gate.opensAt > now || !gate.hasRoom(priority)) {
      // It may have been let through for slots to spare, and not need them after all.
      this.#letOneBeyond(priority);
      return gate.blocked;
    }
    if (this.#slots.isBeyondWindow(gate.running, free)) {
      this.#beyondWindow[priority].push(gate);
      return gate.blocked;
    }
    return free > 0 ? undefined : this.#crowded;
  }

  #slotsChanged(): void {
    this.#turns.letThrough(this.#crowded);
    for (const priority of PRIORITIES) this.#letOneBeyond(priority);
  }

  /** Only through a gate that is open otherwise: the chance would be lost. The others ask again when theirs opens. */
  #letOneBeyond(priority: Priority): void {
    const gates = this.#beyondWindow[priority];
    for (let gate = gates.shift(); gate; gate = gates.shift()) {
      if (gate.opensAt > this.#options.now()) {
        this.#shutUntilOpen(gate);
        continue;
      }
      if (!gate.hasRoom(priority) || gate.blocked[priority].length === 0) continue;
      this.#turns.letOneThrough(gate.blocked, priority);
      return;
    }
  }

  /** One more goes through the gate; while it is open, so may the next. */
  #pass(gate: Gate): void {
    const now = this.#options.now();
    gate.start(now);
    if (gate.opensAt > now) this.#shutUntilOpen(gate);
    else this.#turns.letThrough(gate.blocked);
  }

  #shutUntilOpen(gate: Gate): void {
    this.#shut.add(gate);
    this.#opensNext = Math.min(this.#opensNext, gate.opensAt);
  }

  #defer(flow: Flow, line: KeyLine, until: number): void {
    this.#deferred.push({ delivery: line.waiting.shift()!, until });
    this.#waiting--;
    if (line.waiting.length > 0) return;
    flow.lines.shift();
    line.queued = false;
    this.#keys.forget(line);
  }

  #enqueue(line: KeyLine): void {
    const head = line.waiting.peek();
    if (!head || line.queued) return;
    line.queued = true;
    if (line.lock.running) {
      line.lock.waiters.push(line);
      return;
    }
    const { priority, channel, request } = head;
    const destination = this.#options.destinationOf(head);
    const flow = this.#turns.flow({ priority, channel, tenant: request.tenant, destination });
    flow.lines.push(line);
    if (flow.state === 'idle') this.#turns.ready(flow);
  }
}

/** A first attempt may not: later ones of its key would start before it. These have no such place, or keep it in the ledger. */
const mayWaitInLedger = ({ attempts, ordered, request }: LeasedDelivery): boolean =>
  attempts > 0 || ordered || request.sendAt !== undefined;
