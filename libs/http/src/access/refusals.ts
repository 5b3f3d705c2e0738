import {
  ACCESS_REFUSED,
  encodeEvent,
  hashApiKey,
  newEventId,
  TOPICS,
  UNKNOWN_TENANT,
  type AccessRefused,
  type OutgoingRecord,
} from '@bongsu/contracts';
import { registry } from '@bongsu/observability';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { Counter } from 'prom-client';

const EVERY_MS = 60_000;
/** The most different refusals that are remembered at a time: who sends another bad key each time fills no more than this. */
const MAX_DIFFERENT = 1_000;
const FINGERPRINT_DIGITS = 12;

const refusedTotal = new Counter({
  name: 'access_refused_total',
  help: 'Requests that were refused because of their API key',
  labelNames: ['status'] as const,
  registers: [registry],
});
const unrecordedTotal = new Counter({
  name: 'access_refused_unrecorded_total',
  help: 'Of these, those that are in no record: too many different ones, or Kafka was away',
  registers: [registry],
});

export interface RefusalsOptions {
  readonly service: 'api' | 'audit';
  /** Sends to Kafka; nobody waits for it. */
  readonly send: (record: OutgoingRecord) => Promise<unknown>;
  /** Default: a minute. */
  readonly everyMs?: number;
}

/**
 * Writes down requests that were refused for their key: who guesses keys, or uses one that was revoked, is in the audit trail.
 * Alike ones of a minute are one record with their number, so that a flood of them cannot become a flood of
 * records. No request waits for it, and none fails by it: what cannot be recorded is counted.
 */
export class Refusals {
  readonly #options: Required<RefusalsOptions>;
  readonly #timer: NodeJS.Timeout;
  #noted = new Map<string, { refused: Omit<AccessRefused, 'count' | 'to'>; count: number }>();

  constructor(options: RefusalsOptions) {
    this.#options = { everyMs: EVERY_MS, ...options };
    this.#timer = setInterval(() => void this.flush(), this.#options.everyMs).unref();
  }

  /** To be called once, before the application listens. */
  watch(fastify: FastifyInstance): void {
    fastify.addHook('onResponse', (request, reply, done) => {
      if (reply.statusCode === 401 || reply.statusCode === 403) this.#note(request, reply.statusCode);
      done();
    });
  }

  /** Sends what was noted so far. Never rejects. */
  async flush(): Promise<void> {
    const noted = [...this.#noted.values()];
    this.#noted = new Map();
    const to = new Date().toISOString();
    const sent = noted.map(({ refused, count }) =>
      this.#options.send(recordOf({ ...refused, count, to })).catch(() => unrecordedTotal.inc(count)),
    );
    await Promise.all(sent);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }

  #note(request: FastifyRequest, status: 401 | 403): void {
    refusedTotal.inc({ status: String(status) });
    const refused = this.#describe(request, status);
    const alike = JSON.stringify([status, refused.apiKeyId, refused.keyFingerprint, refused.remoteAddress]);
    const before = this.#noted.get(alike);
    if (before) before.count++;
    else if (this.#noted.size < MAX_DIFFERENT) {
      this.#noted.set(alike, { refused: { ...refused, from: new Date().toISOString() }, count: 1 });
    } else unrecordedTotal.inc();
  }

  #describe(request: FastifyRequest, status: number): Omit<AccessRefused, 'count' | 'from' | 'to'> {
    const { caller } = request;
    const fingerprint = caller ? undefined : fingerprintOf(request.headers.authorization);
    return {
      service: this.#options.service,
      method: request.method.slice(0, 16),
      route: (request.routeOptions.url ?? '').slice(0, 256),
      tenant: caller?.tenant ?? UNKNOWN_TENANT,
      status,
      ...(caller ? { apiKeyId: caller.keyId } : {}),
      ...(fingerprint === undefined ? {} : { keyFingerprint: fingerprint }),
      remoteAddress: request.ip.slice(0, 64),
    };
  }
}

/** What tells one bad key from another; of a key that is right somewhere, it gives nothing away. */
function fingerprintOf(authorization: string | undefined): string | undefined {
  const key = /^Bearer +(\S{1,512})/i.exec(authorization ?? '')?.[1];
  return key === undefined ? undefined : hashApiKey(key).slice(0, FINGERPRINT_DIGITS);
}

function recordOf(data: AccessRefused): OutgoingRecord {
  const id = newEventId();
  return encodeEvent(TOPICS.accessLog, data.tenant, {
    id,
    source: `/bongsu/${data.service}`,
    type: ACCESS_REFUSED,
    subject: data.apiKeyId ?? data.keyFingerprint ?? data.remoteAddress,
    time: data.to,
    data,
  });
}
