import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** No stack answers, or it does not let us in. */
export class Unreachable extends Error {}

/** One event of a notification's timeline; there may be more fields. */
export interface TimelineEntry {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly channel?: string;
  readonly status?: string;
  readonly attempt?: {
    readonly number: number;
    readonly durationMs: number;
    readonly error?: { readonly code: string } | null;
  } | null;
  readonly nextAttemptAt?: string | null;
}

interface Page {
  readonly data: readonly TimelineEntry[];
}

/** What the demo asks of the API. */
export class StackClient {
  readonly url: string;
  /** The page of the mail catcher. */
  readonly mailUrl: string;
  /** The secret that webhooks are signed with, when this machine knows it. */
  readonly webhookSecret: string | undefined;
  readonly #key: string | undefined;

  private constructor(options: {
    url: string;
    mailUrl: string;
    key: string | undefined;
    webhookSecret: string | undefined;
  }) {
    this.url = options.url;
    this.mailUrl = options.mailUrl;
    this.webhookSecret = options.webhookSecret;
    this.#key = options.key;
  }

  /** The stack that `npm start` with the same variables has started. */
  static fromEnvironment(env: NodeJS.ProcessEnv): StackClient {
    const home = resolve(env['BONGSU_HOME'] || '.bongsu');
    return new StackClient({
      url: env['BONGSU_API_URL'] || `http://127.0.0.1:${env['API_PORT'] || '3000'}`,
      mailUrl: `http://127.0.0.1:${env['MAIL_PORT'] || '8025'}`,
      key: env['BONGSU_API_KEY'] || env['BOOTSTRAP_API_KEY'] || contentOf(join(home, 'api-key')),
      webhookSecret: env['WEBHOOK_SIGNING_SECRET'] || contentOf(join(home, 'secrets', 'webhook-signing-secret')),
    });
  }

  /** @returns the notification's id */
  async send(body: object): Promise<string> {
    const { id } = await this.#call<{ id: string }>('POST', '/v1/notifications', body);
    return id;
  }

  async status(id: string): Promise<string> {
    const { status } = await this.#call<{ status: string }>('GET', `/v1/notifications/${id}`);
    return status;
  }

  /** The first hundred events: more than any of the demo's notifications has. */
  async timeline(id: string): Promise<readonly TimelineEntry[]> {
    const { data } = await this.#call<Page>('GET', `/v1/notifications/${id}/timeline?limit=100`);
    return data;
  }

  async #call<T>(method: string, path: string, body?: object): Promise<T> {
    const headers: Record<string, string> = {};
    if (this.#key) headers['authorization'] = `Bearer ${this.#key}`;
    if (body) headers['content-type'] = 'application/json';
    const answer = await fetch(this.url + path, {
      method,
      headers,
      signal: AbortSignal.timeout(10_000),
      ...(body ? { body: JSON.stringify(body) } : {}),
    }).catch((cause: unknown) => {
      throw new Unreachable(`No API answers at ${this.url}.`, { cause });
    });
    if (answer.status === 401)
      throw new Unreachable(`The API at ${this.url} does not accept the key; set BONGSU_API_KEY.`);
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}

function contentOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
