import { BOOTSTRAP_IDENTITY, endpointUrl } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import { reject, retry, timedOut, type DeliveryAttempt, type Outcome, type Provider } from '../../provider.js';
import type { ChannelSettings } from '../../settings.js';
import { VERSION } from '../../version.js';
import { AddressGuard, type Network } from './address-guard.js';
import { Call } from './call.js';
import { guardedConnector } from './guarded-connector.js';
import { OriginPools } from './origin-pools.js';
import { webhookPayload } from './payload.js';
import { hostResolver, type Resolve } from './resolve.js';
import { signatureHeaders } from './signature.js';
import { parseTarget } from './target.js';

/** Open connections above which idle ones are closed, over all receivers. */
const MAX_CONNECTIONS = 1000;
/** How long the body of an answer may take, milliseconds. */
const BODY_MS = 2_000;
/** Standard Webhooks: a receiver that answers 410 wants no more of them. */
const GONE = 'http_410';

export interface StandardWebhooksOptions {
  /** The signing secret of a tenant. */
  readonly secretOf: (tenant: string) => string | undefined;
  /** Networks that are let through although they are not public, by http:// too. */
  readonly allowedNetworks: readonly Network[];
  readonly resolve?: Resolve;
  /** Authorities to trust instead of Node's own, PEM. */
  readonly ca?: string;
  readonly maxConnections?: number;
}

/** Posts signed notifications to the recipients' own URLs, by Standard Webhooks. */
export class StandardWebhooksProvider implements Provider {
  readonly name = 'webhook';
  readonly channel = 'webhook';
  readonly #secretOf: (tenant: string) => string | undefined;
  readonly #pools: OriginPools;
  #closed = false;

  constructor({ secretOf, allowedNetworks, resolve = hostResolver(), ca, maxConnections }: StandardWebhooksOptions) {
    this.#secretOf = secretOf;
    const guard = new AddressGuard(allowedNetworks);
    const connector = guardedConnector({ guard, resolve, ...(ca === undefined ? {} : { ca }) });
    this.#pools = new OriginPools(connector, maxConnections ?? MAX_CONNECTIONS);
  }

  async deliver(attempt: DeliveryAttempt, signal: AbortSignal): Promise<Outcome> {
    const target = parseTarget(attempt.recipient.webhook?.url);
    if ('refused' in target) return target.refused;
    const secret = this.#secretOf(attempt.tenant);
    if (secret === undefined) {
      return reject(
        'webhook_secret_missing',
        'No signing secret is set up (WEBHOOK_SIGNING_SECRET): nothing unsigned is sent',
      );
    }
    if (signal.aborted) return timedOut;
    if (this.#closed) return retry('connection_closed', 'The service is stopping');
    const outcome = await this.#post(target.url, attempt, secret, signal);
    return outcome.kind === 'reject' && outcome.code === GONE ? { ...outcome, ...goneAt(target.url) } : outcome;
  }

  /** The receiver's host and port, as the URL has them. */
  destination({ webhook }: DeliveryAttempt['recipient']): string {
    return URL.parse(webhook?.url ?? '')?.host ?? '';
  }

  endpoint({ webhook }: DeliveryAttempt['recipient']): string | undefined {
    return webhook && endpointUrl(webhook.url);
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#pools.destroy();
  }

  #post(
    { origin, pathname, search }: URL,
    attempt: DeliveryAttempt,
    secret: string,
    signal: AbortSignal,
  ): Promise<Outcome> {
    const body = webhookPayload(attempt);
    const headers = {
      'content-type': 'application/json',
      'user-agent': `Bongsu/${VERSION}`,
      accept: '*/*',
      ...signatureHeaders(secret, attempt.deliveryId, new Date(), body),
      // Only ids. The tracestate is for those who trace here, and not for strangers.
      ...(attempt.trace === undefined ? {} : { traceparent: attempt.trace.traceparent }),
    };
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.#pools.dispatch(origin, { method: 'POST', path: `${pathname}${search}`, headers, body }, (release) => {
      // Bodies that never end must not pile up: the outcome is known, so nothing holds the next calls back.
      const call = new Call(signal, release, this.#pools.isCrowded ? 0 : BODY_MS);
      resolve(call.outcome);
      return call;
    });
    return promise;
  }
}

function goneAt({ href }: URL): { endpointGone?: string } {
  const endpointGone = endpointUrl(href);
  return endpointGone === undefined ? {} : { endpointGone };
}

export function standardWebhooks(settings: ChannelSettings, logger: Logger): Provider[] {
  const { WEBHOOK_SIGNING_SECRET: secret, WEBHOOK_ALLOWED_NETWORKS: allowedNetworks } = settings;
  if (secret === undefined) logger.warn('WEBHOOK_SIGNING_SECRET is not set: webhooks will be rejected');
  return [
    new StandardWebhooksProvider({
      secretOf: (tenant) => (tenant === BOOTSTRAP_IDENTITY.tenant ? secret : undefined),
      allowedNetworks,
    }),
  ];
}
