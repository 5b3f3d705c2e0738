import type { KafkaProxy, TcpProxy } from '@bongsu/testing';
import type { DisposableStack } from '../../tools/stack/disposable.ts';
import type { Load } from './load.ts';
import type { Provider } from './provider.ts';
import type { System } from './system.ts';

/** What a fault has at hand while the load runs. */
export interface Scene {
  readonly system: System;
  readonly load: Load;
  readonly provider: Provider;
  /** On the services' way to Kafka and PostgreSQL, of a fault that asks for them. */
  readonly kafka: KafkaProxy;
  readonly postgres: TcpProxy;
  /** From the seed: a number of at least `from` and less than `to`. */
  readonly random: (from: number, to: number) => number;
  /** So many notifications are this share of the load that was asked for. */
  readonly part: (share: number) => number;
  /** Tells what is done, for whoever watches. */
  readonly say: (what: string) => void;
  /** Calls that may be repeated because of this, at most: those whose outcome was not recorded when a process died. */
  readonly mayRepeat: (calls: number) => void;
}

/** One fault of the suite: how the system is set up for it, and what is done to it. */
export interface Fault {
  /** As in docs/faults.md. */
  readonly number: number;
  readonly title: string;
  /** Three brokers and three ZooKeepers. Default: one of each. */
  readonly cluster?: boolean;
  /** A proxy on the services' way to this. */
  readonly proxy?: 'kafka' | 'postgres';
  /** Makes the database before the services come, where it is to be a special one. Gives how to clear up. */
  readonly prepare?: (stack: DisposableStack, database: string) => Promise<() => Promise<void>>;
  /** Services beyond one of each, by name. */
  readonly replicas?: Readonly<Record<string, number>>;
  /** Settings other than the default ones, of all services. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Over those, of the api alone. */
  readonly apiSettings?: Readonly<Record<string, string>>;
  /** What is shorter or smaller here than the fault is meant to be, for the report. */
  readonly differs?: string;
  /** Breaks and mends while the load runs; the rest of the load comes after it. Whatever it breaks, it mends. */
  readonly act: (scene: Scene) => Promise<void>;
  /** Checks beyond the oracle's, when all has been delivered; each problem in words. */
  readonly check?: (scene: Scene) => Promise<string[]>;
  /** The share of the notifications that are sent, of what was asked for. Default 1. */
  readonly share?: number;
  /** How long everything may take to arrive after the load has ended, seconds. Default 240. */
  readonly patienceSeconds?: number;
}

/** A fault whose oracle is in tests of its own: they are run, and count as one line. */
export interface CoveredFault {
  readonly number: number;
  readonly title: string;
  readonly tests: readonly string[];
}

export const isCovered = (fault: Fault | CoveredFault): fault is CoveredFault => 'tests' in fault;
