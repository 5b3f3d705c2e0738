import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import autocannon from 'autocannon';
import { buildApps } from '../../tools/build/build-apps.ts';
import {
  endStack,
  startDisposableStack,
  specOf,
  type DisposablePart,
  type DisposableStack,
} from '../../tools/stack/disposable.ts';
import { readPidFile } from '../../tools/stack/process.ts';
import { createServiceDatabase, superuserOf } from '../../tools/stack/postgres-database.ts';
import { cpuSeconds, residentBytes } from './cpu.ts';
import { CLI, KEY, environment, metric, start, type Running } from './services.ts';

const CONNECTIONS = 64;
const ACCEPT_SECONDS = Number(process.env['BENCH_SECONDS'] ?? 10);
const RECIPIENTS = 10_000;

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
  const used = spent(before, cpuOf([api], stack));
  if (result.non2xx + result.errors > 0)
    throw new Error(`${result.non2xx} answers were no 202, ${result.errors} errors`);
  const count = result['2xx'];
  print('accepted/s', count / result.duration, used, count);
  console.log(`  at ${CONNECTIONS} connections; p50 ${result.latency.p50} ms, p99 ${result.latency.p99} ms`);
  await sleep(1000);
  // What autocannon cut off at its end was accepted too, so the producer's own count is the truth.
  const acknowledged = await metric(api, /^kafka_producer_records_total\{[^}]*result="acknowledged"[^}]*\} (\d+)/gm);
  if (acknowledged < warm['2xx'] + count) throw new Error(`${count} answers, but only ${acknowledged} records`);
  return acknowledged;
}

/** How fast a backlog is delivered over the `log` channel, with all three services running. */
async function measureDelivering(services: Running[], stack: DisposableStack, accepted: number): Promise<void> {
  const notification = await start('notification', stack);
  services.push(notification);
  const before = cpuOf(services, stack);
  const started = performance.now();
  let delivered = 0;
  while (delivered < accepted) {
    await sleep(100);
    delivered = await deliveredSoFar(notification);
    if (performance.now() - started > 300_000) throw new Error(`only ${delivered} of ${accepted} were delivered`);
  }
  const seconds = (performance.now() - started) / 1000;
  print('delivered/s', delivered / seconds, spent(before, cpuOf(services, stack)), delivered);
  const resident = services.map(({ child }) => Math.round(residentBytes(child.pid!) / 1024 ** 2));
  console.log(
    `  a backlog of ${accepted}, channel log; resident memory api, audit, notification: ${resident.join(', ')} MB`,
  );
  if (delivered !== accepted) throw new Error(`${accepted} were accepted and ${delivered} delivered`);
}

const deliveredSoFar = (notification: Running): Promise<number> =>
  metric(notification, /^notification_deliveries_total\{[^}]*result="delivered"[^}]*\} (\d+)/gm);

type CpuByProcess = Readonly<Record<string, number>>;

function print(name: string, perSecond: number, cpu: CpuByProcess, count: number): void {
  const rate = Math.round(perSecond).toLocaleString('en');
  const perThousand = (seconds: number): string => ((seconds / count) * 1000).toFixed(3);
  const all = Object.values(cpu).reduce((sum, seconds) => sum + seconds, 0);
  const parts = Object.entries(cpu).map(([part, seconds]) => `${part} ${perThousand(seconds)}`);
  console.log(`${name.padEnd(12)} ${rate.padStart(8)}   CPU s per thousand: ${perThousand(all)} (${parts.join(', ')})`);
}

/** CPU seconds so far; the load generator does not count. */
function cpuOf(services: readonly Running[], stack: DisposableStack): CpuByProcess {
  const own = services.map(({ name, child }) => [name, cpuSeconds([child.pid!])] as const);
  const part = (name: DisposablePart): number => cpuSeconds([readPidFile(specOf(stack, name).pidFile)?.pid ?? 0]);
  return {
    ...Object.fromEntries(own),
    kafka: part('kafka'),
    postgres: part('postgres'),
    zookeeper: part('zookeeper'),
  };
}

const spent = (before: CpuByProcess, after: CpuByProcess): CpuByProcess =>
  Object.fromEntries(Object.entries(after).map(([part, seconds]) => [part, seconds - (before[part] ?? 0)]));

await main();
