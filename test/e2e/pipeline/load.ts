import { setTimeout as sleep } from 'node:timers/promises';
import { waitUntil } from '@bongsu/testing';
import pg from 'pg';
import type { ReceivedCall, WebhookReceiver } from './receivers.js';
import { API_KEY, type System } from './system.js';

/** Clients that post without pause; it keeps the ids that were answered 202, and nothing else. */
export class Load {
  readonly accepted = new Set<string>();
  readonly #system: System;
  readonly #webhook: WebhookReceiver;
  readonly #clients: Promise<void>[];
  readonly #stopped = new AbortController();

  constructor(system: System, webhook: WebhookReceiver, clients = 8) {
    this.#system = system;
    this.#webhook = webhook;
    this.#clients = Array.from({ length: clients }, (_, n) => this.#post(n));
  }

  /** By number and not by time: how busy the machine is must not decide how much is tested. */
  async more(count: number): Promise<void> {
    const wanted = this.accepted.size + count;
    await waitUntil(`${wanted} accepted`, () => this.accepted.size >= wanted, { timeoutMs: 30_000 });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#clients);
  }

  /** Waits until everything that was accepted so far has ended in the ledger. */
  async ended(): Promise<void> {
    await this.#reaches('SELECT notification_id AS id FROM notification.deliveries WHERE ended_at IS NOT NULL');
  }

  /** Waits until everything that was accepted so far is in the audit. */
  async audited(): Promise<void> {
    await this.#reaches("SELECT subject AS id FROM audit.records WHERE topic LIKE '%notification.requests.%'");
  }

  /** The calls that the receiver got for each accepted notification. */
  received(): ReceivedCall[][] {
    const calls = Map.groupBy(this.#webhook.calls, (call) => notificationOf(call.body));
    return [...this.accepted].map((id) => calls.get(id) ?? []);
  }

  async #reaches(sql: string): Promise<void> {
    // By now: while the clients go on, there is always one that is on its way.
    const accepted = [...this.accepted];
    const reached = async (): Promise<boolean> => {
      const ids = new Set((await this.#query(sql)).map((row) => row['id']));
      const missing = accepted.filter((id) => !ids.has(id));
      if (missing.length > 0) throw new Error(`${missing.length} are missing, ${missing[0]} among them`);
      return true;
    };
    await waitUntil(`all ${accepted.length} from: ${sql}`, reached, { timeoutMs: 30_000, everyMs: 200 });
  }

  async #query(sql: string): Promise<Record<string, string>[]> {
    const client = new pg.Client({ connectionString: this.#system.databaseUrl });
    await client.connect();
    try {
      return (await client.query<Record<string, string>>(sql)).rows;
    } finally {
      await client.end();
    }
  }

  async #post(client: number): Promise<void> {
    for (let n = 0; !this.#stopped.signal.aborted; n++) {
      const answer = await fetch(`${this.#system.service('api').url}/v1/notifications`, {
        method: 'POST',
        headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
        body: JSON.stringify({
          recipient: { id: `user-${client}-${n % 5}`, webhook: { url: `${this.#webhook.url}/x` } },
          channels: ['webhook'],
          content: { body: 'x' },
        }),
        signal: AbortSignal.timeout(15_000),
      }).catch(() => undefined);
      if (answer?.status === 202) this.accepted.add(((await answer.json()) as { id: string }).id);
      else await sleep(50);
    }
  }
}

export const notificationOf = (payload: string): string =>
  (JSON.parse(payload) as { data: { notificationId: string } }).data.notificationId;
