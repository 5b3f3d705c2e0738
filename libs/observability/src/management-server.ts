import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Logger } from './logger.js';
import { registry } from './metrics.js';

/** One thing that the service needs. `check` throws (or rejects) when it is not to be had. */
export interface HealthCheck {
  readonly name: string;
  /** Whether the service is of no use without it. A failing check that is not required shows as `degraded`. */
  readonly required: boolean;
  check(): Promise<void> | void;
}

export interface HealthReport {
  readonly status: 'ok' | 'degraded' | 'unavailable';
  readonly checks: Record<
    string,
    { readonly status: 'ok' | 'failed'; readonly required: boolean; readonly detail?: string }
  >;
}

/** A check that does not answer in this time has failed: a hanging database must not hang the probe. */
const CHECK_TIMEOUT_MS = 2_000;

/**
 * Health and metrics on a port of their own that is never public. Started first and stopped last, so that a probe can
 * tell "starting" from "dead".
 */
export class ManagementServer {
  private readonly server: Server;
  private readonly port: number;
  private readonly checks: readonly HealthCheck[];
  private readonly logger: Logger;

  constructor(options: { port: number; checks: readonly HealthCheck[]; logger: Logger }) {
    this.port = options.port;
    this.checks = options.checks;
    this.logger = options.logger;
    this.server = createServer((request, response) => {
      this.answer(request, response).catch((error: unknown) => {
        this.logger.error({ err: error }, 'the management server could not answer');
        response.destroy();
      });
    });
  }

  /** Resolves with the port that it listens on. Rejects when the port is in use. */
  async start(): Promise<number> {
    this.server.listen(this.port);
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** The report behind `/health/ready`; never rejects. */
  async health(): Promise<HealthReport> {
    const results = await Promise.all(this.checks.map(async (each) => ({ each, failure: await failureOf(each) })));
    const failed = results.filter(({ failure }) => failure !== undefined);
    const status = failed.length === 0 ? 'ok' : failed.some(({ each }) => each.required) ? 'unavailable' : 'degraded';
    const checks: HealthReport['checks'] = {};
    for (const { each, failure } of results) {
      checks[each.name] = {
        status: failure === undefined ? 'ok' : 'failed',
        required: each.required,
        ...(failure === undefined ? {} : { detail: failure }),
      };
    }
    return { status, checks };
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0];
    if (request.method !== 'GET' && request.method !== 'HEAD') return send(response, 405, 'text/plain', 'GET only\n');
    switch (path) {
      case '/health/live':
        return send(response, 200, 'application/json', JSON.stringify({ status: 'ok' }));
      case '/health/ready': {
        const report = await this.health();
        return send(response, report.status === 'unavailable' ? 503 : 200, 'application/json', JSON.stringify(report));
      }
      case '/metrics':
        return send(response, 200, registry.contentType, await registry.metrics());
      default:
        return send(response, 404, 'text/plain', 'There are /health/live, /health/ready and /metrics\n');
    }
  }
}

async function failureOf(needed: HealthCheck): Promise<string | undefined> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  try {
    await Promise.race([Promise.resolve().then(() => needed.check()), late]);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    clearTimeout(timer);
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
}
