import { Pool, type buildConnector, type Dispatcher } from 'undici';

/** What one origin's connections are doing. */
interface Origin {
  readonly pool: Pool;
  calls: number;
  connections: number;
}

/** Idle connections are kept this long, milliseconds, whatever the server suggests beyond it. */
const KEEP_ALIVE_MS = 4_000;
const KEEP_ALIVE_MAX_MS = 30_000;

/**
 * Kept-alive connections per origin, bounded over all of them: webhooks go to as many hosts as there are recipients, and each host
 * would otherwise leave sockets and a pool behind. What is longest out of use goes first; calls under way are never cut.
 */
export class OriginPools {
  readonly #connect: buildConnector.connector;
  readonly #maxConnections: number;
  /** The least recently used first: a Map keeps the order of insertion. */
  readonly #origins = new Map<string, Origin>();
  #connections = 0;

  /** @param maxConnections open sockets above which idle origins are closed. */
  constructor(connect: buildConnector.connector, maxConnections: number) {
    this.#connect = connect;
    this.#maxConnections = maxConnections;
  }

  get origins(): number {
    return this.#origins.size;
  }

  get connections(): number {
    return this.#connections;
  }

  /** More connections are open than should be: those that are not needed any more had better go soon. */
  get isCrowded(): boolean {
    return this.#connections > this.#maxConnections;
  }

  /** Starts a call. `release` must be called once, when the call is over. */
  dispatch(
    origin: string,
    options: Dispatcher.DispatchOptions,
    handler: (release: () => void) => Dispatcher.DispatchHandler,
  ): void {
    const entry = this.#origins.get(origin) ?? this.#open(origin);
    this.#origins.delete(origin);
    this.#origins.set(origin, entry);
    entry.calls++;
    entry.pool.dispatch(
      options,
      handler(() => {
        entry.calls--;
        this.#tidy(origin, entry);
      }),
    );
  }

  /** Cuts every connection; calls under way fail. */
  async destroy(): Promise<void> {
    const pools = [...this.#origins.values()].map(({ pool }) => pool);
    this.#origins.clear();
    await Promise.all(pools.map((pool) => pool.destroy()));
  }

  #open(origin: string): Origin {
    const pool = new Pool(origin, {
      connect: this.#connect,
      allowH2: false,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      // The attempt's own signal is the time limit; two more timers per call would only cost.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    const entry: Origin = { pool, calls: 0, connections: 0 };
    pool.on('connect', () => {
      entry.connections++;
      this.#connections++;
      this.#evict();
    });
    pool.on('disconnect', () => {
      entry.connections--;
      this.#connections--;
      this.#tidy(origin, entry);
    });
    return entry;
  }

  #tidy(origin: string, entry: Origin): void {
    if (entry.calls === 0 && entry.connections === 0) this.#close(origin, entry);
    else this.#evict();
  }

  #evict(): void {
    let open = this.#connections;
    if (open <= this.#maxConnections) return;
    for (const [origin, entry] of this.#origins) {
      if (entry.calls > 0) continue;
      this.#close(origin, entry);
      open -= entry.connections;
      if (open <= this.#maxConnections) return;
    }
  }

  #close(origin: string, entry: Origin): void {
    if (this.#origins.get(origin) !== entry) return;
    this.#origins.delete(origin);
    void entry.pool.destroy();
  }
}
