import { call, reason } from '../http/client.js';
import { apiEndpoint, auditEndpoint, managementPorts, type Endpoint } from '../settings.js';
import { clockFinding } from './clocks.js';
import { failed, messageOf, ok, warning, type Finding } from './finding.js';

const PATIENCE_MS = 5_000;

interface HealthReport {
  readonly status?: string;
  readonly checks?: Readonly<Record<string, { readonly status?: string; readonly detail?: string }>>;
}

/** The HTTP interfaces, as a client meets them: reachable, and the key accepted. */
export async function examineInterfaces(): Promise<Finding[]> {
  const found = await Promise.all([
    accepts(
      apiEndpoint(),
      '/v1/notifications',
      'Start the stack (npm start), or set BONGSU_API_URL and BONGSU_API_KEY',
    ),
    accepts(
      auditEndpoint(),
      '/v1/audit/records',
      'Start the stack (npm start), or set BONGSU_AUDIT_URL and BONGSU_API_KEY',
    ),
  ]);
  return found.flat();
}

async function accepts(endpoint: Endpoint, path: string, advice: string): Promise<Finding[]> {
  try {
    const before = Date.now();
    const { headers } = await call<unknown>(endpoint, { path, query: { limit: '1' }, timeoutMs: PATIENCE_MS });
    const told = Date.parse(headers.get('date') ?? '');
    return [
      ok(endpoint.name, `answers at ${endpoint.url}, and takes the key`),
      // The header is to the second, cut off.
      ...(Number.isNaN(told)
        ? []
        : [clockFinding(`the ${endpoint.name}`, told + 500 - (before + Date.now()) / 2, 1000)]),
    ];
  } catch (error) {
    return [failed(endpoint.name, messageOf(error), advice)];
  }
}

/** Each service's own opinion, on its management port on this machine. */
export async function examineHealth(): Promise<Finding[]> {
  const ports = managementPorts();
  return await Promise.all([
    health('api', ports.API_MANAGEMENT_PORT, 'API_MANAGEMENT_PORT'),
    health('notification', ports.NOTIFICATION_MANAGEMENT_PORT, 'NOTIFICATION_MANAGEMENT_PORT'),
    health('audit', ports.AUDIT_MANAGEMENT_PORT, 'AUDIT_MANAGEMENT_PORT'),
  ]);
}

async function health(service: string, port: number, variable: string): Promise<Finding> {
  const what = `${service} health`;
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/health/ready`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    const { status, checks = {} } = (await answer.json()) as HealthReport;
    const ill = Object.entries(checks)
      .filter(([, check]) => check.status !== 'ok')
      .map(([name, { detail }]) => `${name}: ${detail ?? 'failed'}`);
    if (status === 'ok') return ok(what, `ready (port ${port})`);
    if (status === 'degraded')
      return warning(what, `degraded: ${ill.join('; ')}`, 'It works, and will again in full when that is back');
    return failed(what, `not ready: ${ill.join('; ') || 'no reason given'}`, `See the log of ${service}`);
  } catch (error) {
    return failed(
      what,
      `no answer on port ${port}: ${reason(error)}`,
      `Start ${service}; ${variable} says where its health is`,
    );
  }
}

/** The mail catcher of the local stack; a system that sends real mail has none. */
export async function examineMailCatcher(): Promise<Finding> {
  const what = 'mail catcher';
  const url = `http://127.0.0.1:${managementPorts().MAIL_PORT}`;
  try {
    const answer = await fetch(`${url}/api/v1/messages?limit=1`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    if (answer.ok) return ok(what, url);
    return warning(what, `${url} answers ${answer.status}`, 'Another program has that port? MAIL_PORT moves it');
  } catch (error) {
    return warning(
      what,
      `no answer at ${url}: ${reason(error)}`,
      'Nothing to do where SMTP_URL names a real mail server',
    );
  }
}
