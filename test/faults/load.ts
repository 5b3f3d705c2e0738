import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Provider } from './provider.ts';
import { API_KEY, type System } from './system.ts';

const CLIENTS = 48;
/** Clients that send everything to one recipient each: hot keys, each with 2 % of the load. */
const HOT = 4;
const RECIPIENTS = 2_000;
const ANSWER_WITHIN_MS = 15_000;

export interface LoadOptions {
  readonly system: System;
  readonly provider: Provider;
  readonly random: () => number;
  /** Notifications per second, as long as they are accepted. */
  readonly perSecond: number;
}

/**
 * Clients that send notifications, each its own recipients and one at a time, so that the order in which a recipient's were
 * accepted is known. Every other client gives an Idempotency-Key and repeats a request that was not answered until it is; the
 * rest go on with a new one, as programs do that do not care. Only what was answered 202 is written down.
 */
export class Load {
  /** By recipient, in the order accepted. */
  readonly accepted = new Map<string, string[]>();
  /** Answers other than 202, by status; 0 is no answer. */
  readonly refusals = new Map<number, number>();
  count = 0;
  readonly #options: LoadOptions;
  readonly #agent = new Agent({
    connections: CLIENTS * 8,
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
  });
  readonly #clients: Promise<void>[];
  /** Idempotency keys whose requests nobody answered to the end. */
  readonly unanswered = new Set<string>();
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: CLIENTS }, (_, client) => this.#send(client));
  }

  /** Ids that were accepted. */
  get ids(): string[] {
    return [...this.accepted.values()].flat();
  }

  /** Resolves when so many more have been accepted; by number and not by time, as machines differ. */
  async more(count: number, withinMs = 120_000): Promise<void> {
    const wanted = this.count + count;
    for (const until = performance.now() + withinMs; this.count < wanted; await sleep(20)) {
      if (performance.now() > until) throw new Error(`Only ${this.count} of ${wanted} were accepted in ${withinMs} ms`);
    }
  }

  /** No new ones; resolves when those under way are answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#clients);
    await this.#agent.destroy();
  }

  /** As many as `clients` send without pause, of one recipient each, in a lane of their own; ids are counted as all others. */
  async flood(clients: number, ms: number): Promise<void> {
    const until = performance.now() + ms;
    const send = async (client: number): Promise<void> => {
      while (performance.now() < until) {
        const id = await this.#post(`flood-${client}`, undefined).catch(() => undefined);
        if (id === undefined) await sleep(100);
        else this.#accept(`flood-${client}`, id);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, client) => send(client)));
  }

  #accept(recipient: string, id: string): void {
    const before = this.accepted.get(recipient);
    if (before) before.push(id);
    else this.accepted.set(recipient, [id]);
    this.count++;
  }

  /** Sends one that is no part of the count; gives its id, or undefined when it is not accepted. */
  async probe(): Promise<string | undefined> {
    return this.#post('probe', `probe-${performance.now()}`).catch(() => undefined);
  }

  async #send(client: number): Promise<void> {
    const { perSecond, random } = this.#options;
    const everyMs = (CLIENTS * 1000) / perSecond;
    let due = performance.now() + random() * everyMs;
    for (let n = 0; !this.#stopped; n++) {
      const recipient =
        client < HOT ? `hot-${client}` : `user-${client}-${Math.floor((random() * RECIPIENTS) / CLIENTS)}`;
      const key = client % 2 === 0 ? `${recipient}/${n}` : undefined;
      const id = await this.#untilAccepted(recipient, key);
      if (id === undefined) continue;
      this.#accept(recipient, id);
      // Not faster than asked for; what an outage held up is not made good for.
      due = Math.max(due + everyMs, performance.now());
      await sleep(Math.max(0, due - performance.now()));
    }
  }

  async #untilAccepted(recipient: string, key: string | undefined): Promise<string | undefined> {
    for (let delayMs = 20; ; delayMs = Math.min(delayMs * 2, 1_000)) {
      const id = await this.#post(recipient, key).catch(() => undefined);
      if (id !== undefined) return id;
      if (this.#stopped && key !== undefined) this.unanswered.add(key);
      if (this.#stopped) return undefined;
      await sleep(delayMs);
      if (key === undefined) return undefined;
    }
  }

  async #post(recipient: string, key: string | undefined): Promise<string | undefined> {
    const { system, provider } = this.#options;
    let status = 0;
    try {
      const answer = await request(`${system.apiUrl}/v1/notifications`, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: {
          authorization: `Bearer ${API_KEY}`,
          'content-type': 'application/json',
          ...(key === undefined ? {} : { 'idempotency-key': key }),
        },
        body: JSON.stringify({
          recipient: { id: recipient, webhook: { url: `${provider.url}/${recipient}` } },
          channels: ['webhook'],
          content: { subject: 'Fault suite', body: 'The beacon is lit on the southern ridge.' },
        }),
      });
      status = answer.statusCode;
      const body = (await answer.body.json()) as { id?: string };
      if (status === 202 && body.id !== undefined) return body.id;
    } finally {
      if (status !== 202) this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
    }
    return undefined;
  }
}
