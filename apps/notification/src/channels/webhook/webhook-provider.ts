import { Webhook } from 'standardwebhooks';
import { Agent, errors, request, type Dispatcher } from 'undici';
import type { DeliveryAttempt, Outcome, Provider } from '../provider.js';
import { AddressBlockedError, type AddressGuard } from './address-guard.js';
import { retryAfter } from './retry-after.js';

export interface WebhookProviderOptions {
  readonly guard: AddressGuard;
  /** The tenant's signing secret (`whsec_…`). */
  readonly secretOf: (tenant: string) => string | undefined;
}

/** More of an answer is not read: we need its status, and its sender may be hostile. Bytes. */
const ANSWER_LIMIT = 64 * 1024;
const DRAIN_MS = 5_000;
const CONNECT_MS = 10_000;
/** Idle connections of a destination end soon, so that a million destinations do not leave a million sockets. */
const KEEP_ALIVE_MS = 10_000;
const CONNECTIONS_PER_ORIGIN = 128;

/** Client errors that may be gone the next time: 408 Request Timeout, 425 Too Early, 429 Too Many Requests. */
const TEMPORARY = new Set([408, 425, 429]);

/** Posts notifications to their recipients' webhooks, signed as Standard Webhooks 1.0 describes. */
export class WebhookProvider implements Provider {
  readonly name = 'webhook';
  readonly channel = 'webhook';
  readonly #guard: AddressGuard;
  readonly #secretOf: WebhookProviderOptions['secretOf'];
  readonly #encrypted: Agent;
  readonly #plain: Agent;

  constructor({ guard, secretOf }: WebhookProviderOptions) {
    this.#guard = guard;
    this.#secretOf = secretOf;
    this.#encrypted = agent(guard.lookup(true));
    this.#plain = agent(guard.lookup(false));
  }

  async deliver(attempt: DeliveryAttempt, signal: AbortSignal): Promise<Outcome> {
    const url = URL.parse(attempt.recipient.webhook?.url ?? '');
    if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:'))
      return reject('webhook_url_invalid', 'The URL cannot be used');
    if (url.username || url.password) return reject('webhook_url_invalid', 'The URL holds credentials');
    const secret = this.#secretOf(attempt.tenant);
    if (!secret) return reject('webhook_secret_missing', 'No signing secret is set up for the tenant');
    const encrypted = url.protocol === 'https:';
    try {
      this.#guard.assertLiteral(url.hostname, encrypted);
      const answer = await request(url, {
        method: 'POST',
        dispatcher: encrypted ? this.#encrypted : this.#plain,
        signal,
        ...signed(attempt, secret),
      });
      discard(answer);
      return outcomeOf(answer);
    } catch (error) {
      return failure(error, signal);
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#encrypted.destroy(), this.#plain.destroy()]);
  }
}

function agent(lookup: ReturnType<AddressGuard['lookup']>): Agent {
  return new Agent({
    connect: { lookup: lookup as never, timeout: CONNECT_MS },
    connections: CONNECTIONS_PER_ORIGIN,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MS,
    maxResponseSize: -1,
    // The attempt's signal bounds all of it; without these an aborted call could hold its socket for minutes.
    headersTimeout: 60_000,
    bodyTimeout: DRAIN_MS,
  });
}

/** Body and headers; the id is the delivery's, the same in every attempt, so that a receiver can dedupe by it. */
function signed(attempt: DeliveryAttempt, secret: string): { body: string; headers: Record<string, string> } {
  const now = new Date();
  const { recipient, content, notificationId, deliveryId, acceptedAt, category, metadata, locale, data } = attempt;
  const body = JSON.stringify({
    type: 'notification',
    timestamp: now.toISOString(),
    data: {
      notificationId,
      deliveryId,
      recipient: { id: recipient.id },
      ...content,
      category,
      metadata,
      locale,
      data,
      acceptedAt,
    },
  });
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'user-agent': 'Bongsu/0.1',
      'webhook-id': deliveryId,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret).sign(deliveryId, now, body),
    },
  };
}

/** Frees the connection without waiting for an answer that may never end. */
function discard({ body }: Dispatcher.ResponseData): void {
  body.dump({ limit: ANSWER_LIMIT, signal: AbortSignal.timeout(DRAIN_MS) }).catch(() => body.destroy());
}

function outcomeOf({ statusCode, headers }: Dispatcher.ResponseData): Outcome {
  if (statusCode >= 200 && statusCode < 300) return { kind: 'done' };
  const code = `http_${statusCode}`;
  if (TEMPORARY.has(statusCode) || statusCode >= 500) {
    const afterMs = retryAfter(headers['retry-after'], Date.now());
    return { ...retry(code, `The receiver answered ${statusCode}`), ...(afterMs === undefined ? {} : { afterMs }) };
  }
  if (statusCode >= 300 && statusCode < 400)
    return reject(code, 'The receiver redirects, which webhooks do not follow');
  return reject(code, `The receiver answered ${statusCode}`);
}

const CODES: readonly (readonly [RegExp, string, string])[] = [
  [/^(ENOTFOUND|EAI_AGAIN|EAI_FAIL|ENODATA)$/, 'dns_failed', "The receiver's name could not be resolved"],
  [
    /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/,
    'connection_refused',
    'The receiver does not take connections',
  ],
  [
    /^(UND_ERR_CONNECT_TIMEOUT|UND_ERR_HEADERS_TIMEOUT|UND_ERR_BODY_TIMEOUT|ETIMEDOUT)$/,
    'timeout',
    'The receiver did not answer in time',
  ],
  [
    /^(ERR_TLS_|ERR_SSL_|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|EPROTO|HOSTNAME_MISMATCH)/,
    'tls_failed',
    "The receiver's certificate or TLS cannot be used",
  ],
];

function failure(error: unknown, signal: AbortSignal): Outcome {
  if (error instanceof AddressBlockedError) return reject('address_blocked', error.message);
  if (signal.aborted) return retry('timeout', 'The receiver did not answer in time');
  const code = codeOf(error);
  for (const [pattern, name, message] of CODES) if (pattern.test(code)) return retry(name, message);
  if (error instanceof errors.InvalidArgumentError) return reject('webhook_url_invalid', 'The URL cannot be used');
  return retry('connection_reset', 'The connection to the receiver ended early');
}

function codeOf(error: unknown): string {
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < 4; depth++) {
    const { code } = current as { code?: unknown };
    if (typeof code === 'string' && !code.startsWith('UND_ERR_SOCKET')) return code;
    current = current instanceof AggregateError ? current.errors[0] : current.cause;
  }
  return '';
}

const retry = (code: string, message: string): Outcome & { kind: 'retry' } => ({ kind: 'retry', code, message });
const reject = (code: string, message: string): Outcome => ({ kind: 'reject', code, message });
