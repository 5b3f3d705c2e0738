import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from './logger.js';
import { ManagementServer, type HealthCheck } from './management-server.js';

let server: ManagementServer | undefined;
afterEach(() => server?.stop());

async function serving(...checks: HealthCheck[]): Promise<string> {
  server = new ManagementServer({ port: 0, checks, logger: createLogger('test', 'silent') });
  return `http://127.0.0.1:${await server.start()}`;
}

const up = { name: 'kafka', required: true, check: () => undefined };
const down = (required: boolean): HealthCheck => ({
  name: 'postgres',
  required,
  check: () => Promise.reject(new Error('connection refused')),
});

describe('ManagementServer', () => {
  it('is ready when every check passes', async () => {
    const answer = await fetch(`${await serving(up)}/health/ready`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ status: 'ok', checks: { kafka: { status: 'ok', required: true } } });
  });

  it('is degraded, and still ready, when only a check fails that is not required', async () => {
    const answer = await fetch(`${await serving(up, down(false))}/health/ready`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      status: 'degraded',
      checks: { postgres: { detail: 'connection refused' } },
    });
  });

  it('is not ready when a required check fails, and alive all the same', async () => {
    const base = await serving(up, down(true));
    const answer = await fetch(`${base}/health/ready`);
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ status: 'unavailable' });
    expect((await fetch(`${base}/health/live`)).status).toBe(200);
  });

  it('serves the metrics of the process', async () => {
    const answer = await fetch(`${await serving()}/metrics`);
    expect(answer.headers.get('content-type')).toContain('text/plain');
    expect(await answer.text()).toContain('process_cpu_seconds_total');
  });

  it('refuses what it does not serve', async () => {
    const base = await serving();
    expect((await fetch(`${base}/nothing`)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST' })).status).toBe(405);
  });
});
