import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaProxy, seeded, TcpProxy } from '@bongsu/testing';
import type { DisposableStack } from '../../tools/stack/disposable.ts';
import { readLog, readStores } from './evidence.ts';
import type { Fault, Scene } from './fault.ts';
import { Load } from './load.ts';
import { judge, type Evidence, type Verdict } from './oracle.ts';
import { serversOf } from './processes.ts';
import { Provider } from './provider.ts';
import { CONCURRENCY, System } from './system.ts';

export interface RunOptions {
  readonly seed: number;
  readonly notifications: number;
  readonly perSecond: number;
  readonly say: (what: string) => void;
}

/** What came of one fault with one seed. */
export interface Result extends Verdict {
  /** From the mending until every service is ready and a new notification is delivered, seconds. */
  readonly recoveredAfter: number;
  /** Calls that were allowed to be repeated. */
  readonly mayRepeat: number;
}

const PATIENCE_S = 240;
/** How long after the mending every service may take to be ready again, and a notification sent then to be delivered. */
const RECOVERY_MS = 300_000;
/** A stop in order may take so long (architecture: shutdown). */
const SHUTDOWN_MS = 10_000;

/** What has to be stopped after a fault, whatever happened before. */
type Open = { stop(): Promise<void> }[];

/** Runs a fault under load, lets everything arrive, and judges. Rejects when the suite itself cannot go on. */
export async function run(fault: Fault, stack: DisposableStack, options: RunOptions): Promise<Result> {
  const open: Open = [];
  try {
    return await runWith(open, fault, stack, options);
  } finally {
    for (const each of open.toReversed()) await each.stop();
  }
}

async function runWith(open: Open, fault: Fault, stack: DisposableStack, options: RunOptions): Promise<Result> {
  const opened = <T extends Open[number]>(each: T): T => (open.push(each), each);
  const random = seeded(options.seed * 1_000 + fault.number);
  const provider = opened(await Provider.start());
  const kafka = fault.proxy === 'kafka' ? opened(await KafkaProxy.start({ broker: stack.kafkaBrokers })) : undefined;
  const postgres =
    fault.proxy === 'postgres'
      ? opened(await TcpProxy.start({ host: '127.0.0.1', port: stack.ports.postgres }))
      : undefined;
  const system = await System.start({
    stack,
    settings: fault.settings ?? {},
    apiSettings: fault.apiSettings ?? {},
    replicas: fault.replicas ?? {},
    brokers: kafka?.bootstrap,
    postgresPort: postgres?.port,
    prepare: fault.prepare,
  });
  const target = Math.ceil(options.notifications * (fault.share ?? 1));
  const load = new Load({ system, provider, seed: options.seed, perSecond: options.perSecond, target });
  let mayRepeat = 0;
  const scene: Scene = {
    system,
    load,
    provider,
    get kafka() {
      return kafka ?? missing('Kafka');
    },
    get postgres() {
      return postgres ?? missing('PostgreSQL');
    },
    random: (from, to) => from + Math.floor(random() * (to - from)),
    part: (share) => Math.ceil(target * share),
    say: options.say,
    mayRepeat: (calls) => (mayRepeat += calls),
  };
  const supervisor = new AbortController();
  const supervised = system.supervise(supervisor.signal, (name, lastWords) => {
    options.say(`${name} ended by itself: ${lastWords.slice(0, 300)}`);
    // Such as one that could not renew its lease in time, and so may no longer be the one who calls.
    if (name.startsWith('notification')) scene.mayRepeat(CONCURRENCY);
  });
  try {
    options.say('the services are ready');
    await load.more(Math.ceil(target / 20));
    await fault.act(scene);
    options.say(`mended; ${load.count} accepted so far, ${provider.delivered.size} delivered`);
    const recoveredAfter = await recovery(scene);
    // Some of them always after the mending.
    await load.more(Math.max(Math.ceil(target / 20), target - load.count), 600_000);
    await load.stop();
    options.say(`${load.count} accepted; refused: ${JSON.stringify(Object.fromEntries(load.refusals))}`);
    const evidence = await arrived(scene, fault.patienceSeconds ?? PATIENCE_S);
    options.say('everything has arrived, or patience has ended');
    const verdict = judge(evidence, mayRepeat);
    const problems = [...verdict.problems, ...((await fault.check?.(scene)) ?? []), ...(await auditProblems(scene))];
    supervisor.abort();
    await supervised;
    problems.push(...(await stopProblems(system)));
    return { ...verdict, problems, recoveredAfter, mayRepeat };
  } finally {
    supervisor.abort();
    await supervised.catch(() => undefined);
    await load.stop().catch(() => undefined);
    await system.close();
  }
}

function missing(of: string): never {
  throw new Error(`This fault asks for no proxy before ${of}`);
}

/** Seconds until every service is ready and a notification sent now is delivered. */
async function recovery({ system, load, provider }: Scene): Promise<number> {
  const began = performance.now();
  const isLate = (): boolean => performance.now() - began > RECOVERY_MS;
  for (; !isLate(); await sleep(100)) {
    const id = (await system.isReady()) ? await load.probe() : undefined;
    if (id === undefined) continue;
    for (let seen = 0; !isLate(); await sleep(20)) {
      const calls = provider.calls.slice(seen);
      seen += calls.length;
      if (calls.some((call) => call.notificationId === id)) return (performance.now() - began) / 1000;
    }
    throw new Error(`A notification accepted after the mending was not delivered within ${RECOVERY_MS / 1000} s of it`);
  }
  throw new Error(`The services were not ready within ${RECOVERY_MS / 1000} s of the mending`);
}

/** The evidence once nothing is missing any more, or as it is when patience ends. */
async function arrived({ system, load, provider }: Scene, patienceSeconds: number): Promise<Evidence> {
  const log = await readLog(system);
  const { accepted, ids } = load;
  const until = performance.now() + patienceSeconds * 1000;
  const isLate = (): boolean => performance.now() > until;
  const areDelivered = (): boolean => {
    const { delivered } = provider;
    return ids.every((id) => delivered.has(id));
  };
  while (!areDelivered() && !isLate()) await sleep(500);
  for (;;) {
    const stores = await readStores(system);
    const isThere = (id: string): boolean => (stores.ledger.get(id)?.delivered ?? 0) > 0 && stores.audit.has(id);
    if ([...log].every(isThere) || isLate()) return { accepted, log, calls: provider.calls, ...stores };
    // Each reading takes from those who are still at work.
    await sleep(1_000);
  }
}

async function auditProblems({ system }: Scene): Promise<string[]> {
  const { code, output } = await system.cli('audit', 'verify');
  return code === 0 ? [] : [`The audit does not verify: ${output.trim().split('\n').at(-1)}`];
}

async function stopProblems(system: System): Promise<string[]> {
  const notReady = (await system.isReady()) ? [] : ['Not every service was ready at the end'];
  const began = performance.now();
  const codes = await system.stop();
  const took = performance.now() - began;
  return [
    ...notReady,
    ...(codes.every((code) => code === 0) ? [] : [`Exit codes at the end: ${codes.join(', ')}`]),
    ...(took < SHUTDOWN_MS ? [] : [`The services took ${Math.round(took)} ms to stop`]),
    ...(await leaks(system)),
  ];
}

/** What is left after so long is no process that is just ending, nor one that PostgreSQL has just forked. */
const LEAK_AFTER_MS = 3_000;

/** Processes that outlived the services, and servers that were started beside those that the stack has. */
async function leaks(system: System): Promise<string[]> {
  for (const until = performance.now() + LEAK_AFTER_MS; ; await sleep(200)) {
    const left = system.processes;
    const servers = serversOf(system.stack);
    const parts = Object.keys(system.stack.parts).length;
    const found = [
      ...(left.length === 0 ? [] : [`${left.length} processes of the services are left, such as ${left[0]}`]),
      ...(servers.length <= parts ? [] : [`The stack has ${servers.length} servers, and ${parts} parts`]),
    ];
    if (found.length === 0 || performance.now() > until) return found;
  }
}
