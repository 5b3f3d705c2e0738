import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { ASK_BRIEFLY, KafkaConnection, type KafkaSettings } from './connection.js';
import { lowLevelCluster, type LowLevelCluster } from './low-level.js';

/** A broker that is stopped takes connections and answers nothing. */
const ANSWER_WITHIN_MS = 5_000;

interface Link {
  readonly connection: KafkaConnection;
  readonly admin: Promise<Admin>;
  /** Connected when it is first asked for. */
  cluster?: Promise<LowLevelCluster>;
}

/**
 * Asks the cluster questions, over a connection that is made when it is needed. After a failure, or no answer in time, the
 * next question goes over a new one: kafkajs keeps some that are dead.
 */
export class AdminLink {
  readonly #settings: KafkaSettings;
  readonly #clientId: string;
  readonly #logger: Logger;
  #link: Link | undefined;

  constructor(options: { settings: KafkaSettings; clientId: string; logger: Logger }) {
    this.#settings = options.settings;
    this.#clientId = options.clientId;
    this.#logger = options.logger;
  }

  /** The work's result; rejects when it fails or takes longer than `timeoutMs`, or after `close`. */
  ask<T>(work: (admin: Admin) => Promise<T>, timeoutMs = ANSWER_WITHIN_MS): Promise<T> {
    return this.#run((link) => link.admin.then(work), timeoutMs);
  }

  /** The same with what the admin client cannot ask. */
  askBelow<T>(work: (cluster: LowLevelCluster, admin: Admin) => Promise<T>, timeoutMs = ANSWER_WITHIN_MS): Promise<T> {
    return this.#run(async (link) => {
      link.cluster ??= handled(connected(lowLevelCluster(link.connection.kafka)));
      return work(await link.cluster, await link.admin);
    }, timeoutMs);
  }

  async #run<T>(work: (link: Link) => Promise<T>, timeoutMs: number): Promise<T> {
    const link = (this.#link ??= this.#open());
    const late = setTimeout(() => link.connection.cut(), timeoutMs);
    try {
      return await link.connection.run(work(link));
    } catch (error) {
      link.connection.cut();
      if (this.#link === link) this.#link = undefined;
      throw error;
    } finally {
      clearTimeout(late);
    }
  }

  close(): void {
    this.#link?.connection.cut();
    this.#link = undefined;
  }

  #open(): Link {
    const connection = new KafkaConnection({
      settings: this.#settings,
      clientId: this.#clientId,
      logger: this.#logger,
      retry: ASK_BRIEFLY,
    });
    const admin = connection.kafka.admin();
    return { connection, admin: handled(admin.connect().then(() => admin)) };
  }
}

async function connected(cluster: LowLevelCluster): Promise<LowLevelCluster> {
  await cluster.connect();
  return cluster;
}

/** The same promise. Of two that fail together only one is waited for; the other one must not end the process. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}
