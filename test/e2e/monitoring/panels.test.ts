import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ServiceProcess, type ServiceName } from '@bongsu/testing';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { endStack, endStackNow, startDisposableStack, type DisposableStack } from '../../../tools/stack/disposable.ts';
import { createServiceDatabase, serviceUrl, superuserOf } from '../../../tools/stack/postgres-database.ts';
import { WebhookReceiver } from '../pipeline/receivers.js';
import { findPrograms, panelQueries, Prometheus, ROOT, startExporter, type Program } from './prometheus.js';

/*
 * Every panel of every dashboard against a stack that runs: its own ZooKeeper, Kafka and PostgreSQL with their exporters, the three
 * services, and notifications that arrive, fail and cannot be read. Prometheus has our configuration and rules.
 */

const API_KEY = 'panels-0123456789abcdef0123456789abcdef';
const MONITOR_PASSWORD = 'panels';
const SERVICES: readonly ServiceName[] = ['api', 'notification', 'audit'];

/** Panels that have nothing to show here, each with why. All others must. */
const EMPTY_HERE: Readonly<Record<string, string>> = {
  'Members of the ensemble': 'one ZooKeeper is no ensemble',
  'Breaks of the source':
    'a counter with labels appears with its first event: nothing was deleted before it was recorded',
  'Seconds behind, by group and topic': 'shows only who is behind, and nobody need be at the moment of a scrape',
  'Request errors per second': 'shows errors only, and there need not be any',
};

const { prometheus: prometheusProgram, exporter: exporterProgram, missing } = await findPrograms();
if (missing.length > 0 && process.env['CI']) throw new Error(`install the packages ${missing.join(', ')}`);
if (missing.length > 0) console.log(`panels are not tried: Debian's packages ${missing.join(', ')} cannot be had here`);

describe.skipIf(missing.length > 0)('what is monitored', () => {
  let stack: DisposableStack;
  let folder: string;
  let receiver: WebhookReceiver;
  let exporter: Program;
  let prometheus: Prometheus;
  const services = new Map<ServiceName, ServiceProcess>();
  const ended = new AbortController();
  let traffic: Promise<void> = Promise.resolve();

  beforeAll(async () => {
    [stack, folder, receiver] = await Promise.all([
      startDisposableStack({ metrics: true }),
      mkdtemp(join(tmpdir(), 'bongsu-panels-')),
      WebhookReceiver.start(),
    ]);
    process.once('exit', () => endStackNow(stack.home));
    receiver.answer = () => 503;
    await Promise.all([
      createServiceDatabase(superuserOf(stack.postgresUrl), 'bongsu', { monitor: MONITOR_PASSWORD }),
      command('apps/cli/bin/bongsu.js topics apply --yes'),
    ]);
    await Promise.all(SERVICES.map(startService));
    const postgres = { port: stack.ports.postgres, name: 'bongsu', password: MONITOR_PASSWORD };
    const started = await startExporter(exporterProgram, postgres);
    exporter = started.exporter;
    prometheus = await Prometheus.start(prometheusProgram, folder, {
      ...Object.fromEntries(SERVICES.map((name) => [name, new URL(services.get(name)!.managementUrl).host])),
      ...Object.fromEntries(stack.servers.map(({ kind, metrics }) => [kind, `127.0.0.1:${metrics}`])),
      postgres: started.target,
    });
    traffic = keepSending();
  }, 180_000);

  afterAll(async () => {
    ended.abort();
    await traffic;
    await Promise.all([prometheus.stop(), exporter.stop(), receiver.stop()]);
    await Promise.all([...services.values()].map((service) => service.kill()));
    await endStack(stack.home);
    await rm(folder, { recursive: true, force: true });
  });

  async function startService(name: ServiceName): Promise<void> {
    const env = {
      KAFKA_BROKERS: stack.kafkaBrokers,
      DATABASE_URL: serviceUrl(name, stack.ports.postgres),
      BOOTSTRAP_API_KEY: API_KEY,
      WEBHOOK_SIGNING_SECRET: 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8',
      // One attempt and two more: out of attempts within a second.
      RETRY_SCHEDULE: '100ms,100ms',
      AUDIT_SALT_KEY: Buffer.alloc(32, 1).toString('base64'),
      AUDIT_SIGNING_KEY: Buffer.alloc(32, 2).toString('base64'),
      AUDIT_CHECKPOINT_EVERY: '1s',
    };
    services.set(name, await ServiceProcess.start({ name, env, readyWithinMs: 60_000 }));
  }

  async function command(line: string): Promise<string> {
    const env = {
      ...process.env,
      KAFKA_BROKERS: stack.kafkaBrokers,
      BONGSU_API_URL: services.get('api')?.url,
      BONGSU_AUDIT_URL: services.get('audit')?.url,
      BONGSU_API_KEY: API_KEY,
      KAFKA_PORT: String(stack.ports.kafka),
    };
    return (
      await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', `exec "${process.execPath}" ${line}`], {
        cwd: ROOT,
        env,
      })
    ).stdout;
  }

  /** What arrives, what fails, what is refused, and a record that nobody can read, again and again until the test is over. */
  async function keepSending(): Promise<void> {
    const webhook = { url: `${receiver.url}/away` };
    for (let n = 0; !ended.signal.aborted; n++) {
      const id = `user-${n % 20}`;
      const content = { subject: 'Hello', body: 'It works.' };
      await Promise.all([
        ...['urgent', 'normal', 'bulk'].map((priority) =>
          post({ recipient: { id }, channels: ['log'], content, priority }),
        ),
        post({ recipient: { id, webhook }, content }),
        post({ recipient: { id }, content: 'no content' }),
      ]);
      if (n === 3) await poison();
      await sleep(100, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  }

  async function post(body: object): Promise<void> {
    const headers = { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' };
    const url = `${services.get('api')!.url}/v1/notifications`;
    await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) }).then((answer) => answer.arrayBuffer());
  }

  /** A line that is no request; it has no key either. */
  async function poison(): Promise<void> {
    await command('tools/kafka.ts kafka-console-producer --topic notification.imports.v1 <<< "not JSON"');
  }

  it('has all targets up, and rules that can be evaluated', async () => {
    await expect.poll(() => prometheus.query('up'), { timeout: 30_000 }).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await prometheus.query('pg_up')).toEqual([1]);
    const { groups } = await prometheus.api<{ groups: { rules: { name: string; lastError?: string }[] }[] }>('rules');
    const rules = groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(30);
    expect(rules.filter(({ lastError }) => lastError)).toEqual([]);
  });

  describe.each(Object.entries(Object.groupBy(panelQueries(), ({ dashboard }) => dashboard)))(
    '%s',
    (_title, queries) => {
      it.each((queries ?? []).map(({ panel, expression }) => [panel, expression] as const))(
        '%s has something to show',
        async (panel, expression) => {
          if (EMPTY_HERE[panel] !== undefined) await prometheus.query(expression);
          else
            await expect
              .poll(() => prometheus.query(expression), { timeout: 40_000, message: expression })
              .not.toEqual([]);
        },
      );
    },
  );

  it('excuses panels only that there are', () => {
    const titles = new Set(panelQueries().map(({ panel }) => panel));
    expect(Object.keys(EMPTY_HERE).filter((title) => !titles.has(title))).toEqual([]);
  });

  it('has an alert for the record that cannot be read, with a link that opens the runbook', async () => {
    const firing = async (): Promise<Record<string, string> | undefined> => {
      const { alerts } = await prometheus.api<{
        alerts: { labels: Record<string, string>; annotations: Record<string, string> }[];
      }>('alerts');
      return alerts.find(({ labels }) => labels['alertname'] === 'DeadLetterRecords')?.annotations;
    };
    await expect.poll(firing, { timeout: 40_000 }).toBeDefined();
    const link = (await firing())?.['runbook_url'];
    expect(link).toBe(`${prometheus.url}/user/runbook.md#deadletterrecords`);
    const page = await (await fetch(link ?? '')).text();
    expect(page).toBe(await readFile(join(ROOT, 'docs', 'runbook.md'), 'utf8'));
    expect(page).toContain('\n## DeadLetterRecords\n');
  });
});

it('lets nobody log in to look at figures without a password of its own', async () => {
  const { ports } = inject('bongsu');
  const client = new Client({
    host: '127.0.0.1',
    port: ports.postgres,
    user: 'bongsu_monitor',
    password: 'bongsu_monitor',
    database: 'bongsu',
  });
  await expect(client.connect()).rejects.toThrow(/not permitted to log in|authentication failed/);
});
