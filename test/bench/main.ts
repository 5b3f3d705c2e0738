import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { buildApps, mainOf, type App } from '../../tools/build/build-apps.ts';
import { endStack, startDisposableStack, type DisposableStack } from '../../tools/stack/disposable.ts';
import { freePorts } from '../../tools/stack/ports.ts';
import { createServiceDatabase, serviceUrl, superuserOf, type Service } from '../../tools/stack/postgres-database.ts';
import { cpuSeconds, processesOf, residentBytes } from './cpu.ts';

const KEY = 'bench-0123456789abcdef0123456789abcdef';
const CONNECTIONS = 64;
const ACCEPT_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 10);
const RECIPIENTS = 10_000;
const CLI = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');

interface Running {
  readonly child: ChildProcess;
  readonly port: number;
  readonly managementPort: number;
}

/** About 350 bytes, as a record. */
const bodyOf = (n: number): string =>
  JSON.stringify({
    recipient: { id: `user-${n % RECIPIENTS}` },
    channels: ['log'],
    content: { subject: 'Benchmark', body: 'The beacon is lit on the southern ridge, and the next one answers.' },
  });

async function main(): Promise<void> {
  await buildApps();
  const stack = await startDisposableStack();
  const services: Running[] = [];
  process.once('exit', () => services.forEach(({ child }) => child.kill('SIGKILL')));
  try {
    await createServiceDatabase(superuserOf(stack.postgresUrl), 'bongsu');
    execFileSync(process.execPath, [CLI, 'topics', 'apply', '--yes'], { env: environment(stack), stdio: 'ignore' });
    services.push(await start('api', stack));
    const accepted = await measureAccepting(services[0]!, stack);
    services.push(await start('audit', stack));
    await measureDelivering(services, stack, accepted);
  } finally {
    for (const { child } of services) child.kill('SIGKILL');
    await endStack(stack.home);
  }
}

/** How many requests per second are answered 202, by the api alone with its read model. */
async function measureAccepting(api: Running, stack: DisposableStack): Promise<number> {
  const cannon = (seconds: number) => {
    let n = 0;
    return autocannon({
      url: `http://127.0.0.1:${api.port}/v1/notifications`,
      method: 'POST',
      connections: CONNECTIONS,
      duration: seconds,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      requests: [{ setupRequest: (request) => ({ ...request, body: bodyOf(n++) }) }],
    });
  };
  const warm = await cannon(3);
  const before = cpuOf([api], stack);
  const result = await cannon(ACCEPT_SECONDS);
  const cpu = cpuOf([api], stack) - before;
  if (result.non2xx + result.errors > 0)
    throw new Error(`${result.non2xx} answers were no 202, ${result.errors} errors`);
  const count = result['2xx'];
  print('accepted/s', count / result.duration, cpu, count);
  console.log(`  at ${CONNECTIONS} connections; p50 ${result.latency.p50} ms, p99 ${result.latency.p99} ms`);
  return warm['2xx'] + count;
}

/** How fast a backlog is delivered over the `log` channel, with all three services running. */
async function measureDelivering(services: Running[], stack: DisposableStack, accepted: number): Promise<void> {
  const before = cpuOf(services, stack);
  const notification = await start('notification', stack);
  services.push(notification);
  const started = performance.now();
  let delivered = 0;
  while (delivered < accepted) {
    await sleep(100);
    delivered = await deliveredSoFar(notification);
    if (performance.now() - started > 300_000) throw new Error(`only ${delivered} of ${accepted} were delivered`);
  }
  const seconds = (performance.now() - started) / 1000;
  print('delivered/s', delivered / seconds, cpuOf(services, stack) - before, delivered);
  const resident = services.map(({ child }) => Math.round(residentBytes(child.pid!) / 1024 ** 2));
  console.log(
    `  a backlog of ${accepted}, channel log; resident memory api, audit, notification: ${resident.join(', ')} MB`,
  );
  if (delivered !== accepted) throw new Error(`${accepted} were accepted and ${delivered} delivered`);
}

async function deliveredSoFar({ managementPort }: Running): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${managementPort}/metrics`)).text();
  return Number(/^notification_deliveries_total\{[^}]*result="delivered"[^}]*\} (\d+)/m.exec(text)?.[1] ?? 0);
}

function print(name: string, perSecond: number, cpu: number, count: number): void {
  const rate = Math.round(perSecond).toLocaleString('en');
  console.log(
    `${name.padEnd(12)} ${rate.padStart(8)}   CPU ${((cpu / count) * 1000).toFixed(3)} s per thousand, all processes`,
  );
}

/** Of the services, Kafka, ZooKeeper and PostgreSQL; the load generator does not count. */
function cpuOf(services: readonly Running[], stack: DisposableStack): number {
  return cpuSeconds([...services.map(({ child }) => child.pid!), ...rootsOf(stack)]);
}

function rootsOf(stack: DisposableStack): number[] {
  return processesOf(stack.home).filter((pid) => pid !== process.pid);
}

async function start(name: Service & App, stack: DisposableStack): Promise<Running> {
  const [port, managementPort] = (await freePorts(2)) as [number, number];
  const child = spawn(process.execPath, [mainOf(name)], {
    env: {
      ...environment(stack),
      DATABASE_URL: serviceUrl(name, stack.ports.postgres),
      PORT: String(port),
      MANAGEMENT_PORT: String(managementPort),
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const ready = await fetch(`http://127.0.0.1:${managementPort}/health/ready`).catch(() => undefined);
    if (ready?.ok) return { child, port, managementPort };
    await Promise.race([sleep(100), once(child, 'exit')]);
  }
}

const environment = (stack: DisposableStack): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  NODE_ENV: 'production',
  LOG_LEVEL: 'warn',
  BOOTSTRAP_API_KEY: KEY,
  KAFKA_BROKERS: stack.kafkaBrokers,
});

await main();
