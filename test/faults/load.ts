import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import type { Provider } from './provider.ts';
import { recipients } from './recipients.ts';
import { API_KEY, type System } from './system.ts';

/** Requests under way, of those with a key and of those without. */
const SENDERS = 32;
const ANSWER_WITHIN_MS = 30_000;
/** Recipients whose requests have an Idempotency-Key. */
export const KEYED = 'keyed';

export interface LoadOptions {
  readonly system: System;
  readonly provider: Provider;
  readonly seed: number;
  /** Notifications per second, as long as they are accepted. */
  readonly perSecond: number;
  /** When so many have been accepted, the load goes on with a quarter of its pace: a fault that takes longer need not pile up more. */
  readonly target: number;
}

/**
 * Clients that send notifications, to each recipient one at a time, so that the order in which a recipient's were accepted is
 * known. Half of them give an Idempotency-Key and repeat a request that was not answered until it is; the others go on with
 * the next one, as programs do that do not care. Only what was answered 202 is written down.
 */
export class Load {
  /** By recipient, in the order accepted. */
  readonly accepted = new Map<string, string[]>();
  /** Answers other than 202, by status; or why there was none, by the error's code. */
  readonly refusals = new Map<number | string, number>();
  count = 0;
  readonly #options: LoadOptions;
  readonly #agent = new Agent({
    connections: 4 * SENDERS,
    headersTimeout: ANSWER_WITHIN_MS,
    bodyTimeout: ANSWER_WITHIN_MS,
  });
  readonly #senders: Promise<void>[];
  /** The last request to each recipient. */
  readonly #turns = new Map<string, Promise<void>>();
  /** Idempotency keys whose requests nobody answered to the end. */
  readonly unanswered = new Set<string>();
  #drawn = 0;
  #due = performance.now();
  #stopped = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#senders = [KEYED, 'user'].flatMap((name, n) => {
      const next = recipients(name, options.seed * 2 + n);
      return Array.from({ length: SENDERS }, () => this.#send(next, name === KEYED));
    });
  }

  /** Ids that were accepted. */
  get ids(): string[] {
    return [...this.accepted.values()].flat();
  }

  /** Answers 429 and 503 so far. */
  get refused(): number {
    return (this.refusals.get(429) ?? 0) + (this.refusals.get(503) ?? 0);
  }

  /** Resolves when so many more have been accepted; by number and not by time, as machines differ. */
  async more(count: number, withinMs = 180_000): Promise<void> {
    const wanted = this.count + count;
    for (const until = performance.now() + withinMs; this.count < wanted; await sleep(20)) {
      if (performance.now() > until) throw new Error(`Only ${this.count} of ${wanted} were accepted in ${withinMs} ms`);
    }
  }

  /** No new ones; resolves when those under way are answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#senders);
    await this.#agent.destroy();
  }

  /** As many as `clients` send without pause, each to a recipient of its own and on a connection of its own, for so long. */
  async flood(clients: number, ms: number): Promise<void> {
    const until = performance.now() + ms;
    const agent = new Agent({ connections: clients, headersTimeout: ANSWER_WITHIN_MS, bodyTimeout: ANSWER_WITHIN_MS });
    const send = async (client: number): Promise<void> => {
      while (performance.now() < until) {
        const id = await this.#post(`flood-${client}`, undefined, agent);
        if (id === undefined) await sleep(20);
        else this.#accept(`flood-${client}`, id);
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, client) => send(client)));
    await agent.destroy();
  }

  /** Sends one that is no part of the count; gives its id, or undefined when it is not accepted. */
  async probe(): Promise<string | undefined> {
    return this.#post('probe', `probe-${performance.now()}`);
  }

  #accept(recipient: string, id: string): void {
    const before = this.accepted.get(recipient);
    if (before) before.push(id);
    else this.accepted.set(recipient, [id]);
    this.count++;
  }

  async #send(next: () => string, keyed: boolean): Promise<void> {
    for (await this.#isDue(); !this.#stopped; await this.#isDue()) {
      const recipient = next();
      const key = keyed ? `${recipient}/${this.#drawn++}` : undefined;
      await this.#inTurn(recipient, async () => {
        const id = await this.#untilAccepted(recipient, key);
        if (id !== undefined) this.#accept(recipient, id);
      });
    }
  }

  /** Not faster than asked for; what an outage held up is not made good for. */
  async #isDue(): Promise<void> {
    const { perSecond, target } = this.#options;
    const pace = this.count < target ? perSecond : Math.max(perSecond / 4, Math.min(perSecond, 100));
    const due = Math.max(this.#due, performance.now());
    this.#due = due + 1000 / pace;
    await sleep(Math.max(0, due - performance.now()));
  }

  /** After everything that was to be sent to this recipient before. */
  async #inTurn(recipient: string, send: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(recipient) ?? Promise.resolve()).then(send);
    this.#turns.set(recipient, turn);
    await turn;
    if (this.#turns.get(recipient) === turn) this.#turns.delete(recipient);
  }

  async #untilAccepted(recipient: string, key: string | undefined): Promise<string | undefined> {
    if (this.#stopped) return undefined; // While it waited for its turn.
    for (let delayMs = 50; ; delayMs = Math.min(delayMs * 2, 1_000)) {
      const id = await this.#post(recipient, key);
      if (id !== undefined) return id;
      if (this.#stopped && key !== undefined) this.unanswered.add(key);
      if (this.#stopped) return undefined;
      await sleep(delayMs);
      if (key === undefined) return undefined;
    }
  }

  /** The id that it was accepted with; undefined when it was refused or not answered. */
  async #post(recipient: string, key: string | undefined, dispatcher = this.#agent): Promise<string | undefined> {
    const { system, provider } = this.#options;
    let status: number | string;
    try {
      const answer = await request(`${system.apiUrl}/v1/notifications`, {
        dispatcher,
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
    } catch (error) {
      // Cut off before its end: whatever it began with, nobody was told.
      status = String((error as { code?: unknown }).code ?? error);
    }
    this.refusals.set(status, (this.refusals.get(status) ?? 0) + 1);
    return undefined;
  }
}
