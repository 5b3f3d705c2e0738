import { setTimeout as sleep } from 'node:timers/promises';
import { endpointHash, type Channel, type EnableRequested } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { Outbox, StreamClosedError, isInfrastructureError, query, transaction } from '@bongsu/persistence';
import type { DataSource } from '../database/data-source.js';
import { endpointFact } from './endpoint-fact.js';
import {
  CHANGED_ENDPOINTS,
  DISABLE_ENDPOINTS,
  ENABLE_ENDPOINTS,
  type ChangedRow,
  type StateRow,
} from './sql/endpoints.js';

/** How often other workers' changes are looked for, milliseconds. */
const REFRESH_MS = 1_000;
/** A row becomes visible later than its time says (its transaction was still open), so each look reaches back, milliseconds. */
const OVERLAP_MS = 60_000;
const PAGE = 5_000;
/** How long `stop` waits for what is still to be written, milliseconds. The next such answer would disable it as well. */
const STOP_WITHIN_MS = 1_000;

/** An endpoint that answered that it is gone for good. */
export interface GoneEndpoint {
  readonly tenant: string;
  readonly channel: Channel;
  /** As contracts' `endpointUrl` spells it. */
  readonly endpoint: string;
  readonly deliveryId: string;
  /** When the call began. */
  readonly calledAt: Date;
}

export interface DisabledEndpointsOptions {
  readonly dataSource: DataSource;
  /** The outbox stream of this worker. */
  readonly stream: string;
  readonly logger: Logger;
  /** Default 1 s. */
  readonly refreshMs?: number;
}

/**
 * The endpoints that are called no more, because they answered that they are gone (HTTP 410). In memory, for the dispatcher
 * asks before every call; kept in the ledger, from where all workers learn of changes within two seconds. Forgotten by a
 * process that dies before it could write one down: then the next call is answered in the same way.
 */
export class DisabledEndpoints {
  readonly #options: Required<DisabledEndpointsOptions>;
  readonly #disabled = new Set<string>();
  /** What this worker has seen and not written yet, by name. */
  readonly #pending = new Map<string, GoneEndpoint>();
  readonly #stopping = new AbortController();
  #since = new Date(0);
  #writing: Promise<void> | undefined;
  #following: Promise<void> | undefined;

  constructor(options: DisabledEndpointsOptions) {
    this.#options = { refreshMs: REFRESH_MS, ...options };
  }

  /** Starts following the ledger. */
  start(): void {
    this.#following ??= this.#follow();
  }

  /** Writes what is left, within a second, and follows no more. What the last calls tell after that is still written, if it can be. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.race([
      Promise.all([this.#writing, this.#following]),
      sleep(STOP_WITHIN_MS, undefined, { ref: false }),
    ]);
  }

  /** @param endpoint as contracts' `endpointUrl` spells it; undefined for a channel without one */
  isDisabled(tenant: string, channel: string, endpoint: string | undefined): boolean {
    if (endpoint === undefined || this.#disabled.size + this.#pending.size === 0) return false;
    const name = nameOf(tenant, channel, endpointHash(endpoint));
    return this.#disabled.has(name) || this.#pending.has(name);
  }

  /** Takes effect here at once; it is written in the background, however long the ledger is away. */
  disable(gone: GoneEndpoint): void {
    const name = nameOf(gone.tenant, gone.channel, endpointHash(gone.endpoint));
    if (this.#disabled.has(name)) return;
    this.#pending.set(name, gone);
    this.#writing ??= this.#write().finally(() => (this.#writing = undefined));
  }

  /** Does what a batch of commands asks for; resolves when it is in the ledger. Once each, however often they come. */
  async enable(commands: readonly EnableRequested[]): Promise<void> {
    const hashes = commands.map(({ endpoint }) => endpointHash(endpoint));
    const enabled = await transaction(this.#options.dataSource, async (tx) => {
      const rows = await tx.query<ChangedRow>(ENABLE_ENDPOINTS, [
        commands.map(({ tenant }) => tenant),
        commands.map(({ channel }) => channel),
        hashes,
        commands.map(({ version }) => version),
      ]);
      await Outbox.append(
        tx,
        this.#options.stream,
        rows.map((row) => endpointFact('enabled', row)),
      );
      return rows;
    });
    for (const { tenant, channel, endpoint } of enabled)
      this.#disabled.delete(nameOf(tenant, channel, endpointHash(endpoint)));
  }

  /** Reads what has changed, in memory too; called once a second. */
  async refresh(): Promise<void> {
    let after = new Date(this.#since.getTime() - OVERLAP_MS);
    for (let more = true; more;) {
      const rows = await query<StateRow>(this.#options.dataSource, CHANGED_ENDPOINTS, [after, PAGE]);
      for (const { tenant, channel, hash, disabled } of rows) {
        if (disabled) this.#disabled.add(nameOf(tenant, channel, hash));
        else this.#disabled.delete(nameOf(tenant, channel, hash));
      }
      const last = rows.at(-1)?.changed_at;
      if (last && last > this.#since) this.#since = last;
      // A page full of one millisecond would be read for ever.
      more = rows.length === PAGE && last !== undefined && last > after;
      if (last) after = last;
    }
  }

  async #follow(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      await this.refresh().catch((error: unknown) =>
        this.#options.logger.debug({ err: error }, 'Disabled endpoints could not be read; those known stay so'),
      );
      await sleep(this.#options.refreshMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  async #write(): Promise<void> {
    for (let delayMs = 100; this.#pending.size > 0;) {
      const batch = new Map([...this.#pending].slice(0, PAGE));
      try {
        await this.#persist([...batch.values()]);
        // Known before it is forgotten that it was pending, so that no call slips between the two.
        await this.refresh();
        for (const [name, gone] of batch) if (this.#pending.get(name) === gone) this.#pending.delete(name);
        delayMs = 100;
      } catch (error) {
        if (!isInfrastructureError(error)) {
          // Another process took over (StreamClosedError), or the database refuses them: later answers will tell again.
          if (!(error instanceof StreamClosedError)) this.#options.logger.error({ err: error }, 'Not disabled');
          for (const name of batch.keys()) this.#pending.delete(name);
          continue;
        }
        if (this.#stopping.signal.aborted) return;
        this.#options.logger.warn({ err: error }, `Endpoints wait to be disabled: trying again in ${delayMs} ms`);
        await sleep(delayMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
        delayMs = Math.min(delayMs * 2, 5_000);
      }
    }
  }

  async #persist(gone: readonly GoneEndpoint[]): Promise<void> {
    await transaction(this.#options.dataSource, async (tx) => {
      const rows = await tx.query<ChangedRow>(DISABLE_ENDPOINTS, [
        gone.map(({ tenant }) => tenant),
        gone.map(({ channel }) => channel),
        gone.map(({ endpoint }) => endpointHash(endpoint)),
        gone.map(({ endpoint }) => endpoint),
        gone.map(({ deliveryId }) => deliveryId),
        gone.map(({ calledAt }) => calledAt),
      ]);
      await Outbox.append(
        tx,
        this.#options.stream,
        rows.map((row) => endpointFact('disabled', row)),
      );
    });
  }
}

const nameOf = (tenant: string, channel: string, hash: string): string => `${tenant} ${channel} ${hash}`;
