import { setTimeout as sleep } from 'node:timers/promises';
import { KafkaProxy, seeded, TcpProxy } from '@bongsu/testing';
import type { DisposableStack } from '../../tools/stack/disposable.ts';
import { readLog, readStores } from './evidence.ts';
import type { Fault, Scene } from './fault.ts';
import { Load } from './load.ts';
import { judge, type Evidence, type Verdict } from './oracle.ts';
import { Provider } from './provider.ts';
import { System } from './system.ts';

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

const PATIENCE_S = 120;
/** A stop in order may take so long (architecture: shutdown). */
const SHUTDOWN_MS = 10_000;

/** Runs a fault under load, lets everything arrive, and judges. Rejects when the suite itself cannot go on. */
export async function run(fault: Fault, stack: DisposableStack, options: RunOptions): Promise<Result> {
  const random = seeded(options.seed * 1_000 + fault.number);
  const provider = await Provider.start();
  const kafka = fault.proxy === 'kafka' ? await KafkaProxy.start({ broker: stack.kafkaBrokers }) : undefined;
  const postgres =
    fault.proxy === 'postgres' ? await TcpProxy.start({ host: '127.0.0.1', port: stack.ports.postgres }) : undefined;
  const system = await System.start({
    stack,
    settings: fault.settings ?? {},
    replicas: fault.replicas ?? {},
    brokers: kafka?.bootstrap,
    postgresPort: postgres?.port,
    prepare: fault.prepare,
  });
  const load = new Load({ system, provider, random: seeded(options.seed), perSecond: options.perSecond });
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
    say: options.say,
    mayRepeat: (calls) => (mayRepeat += calls),
  };
  const supervisor = new AbortController();
  const supervised = system.supervise(supervisor.signal);
  try {
    const target = Math.ceil(options.notifications * (fault.share ?? 1));
    await load.more(Math.ceil(target / 10));
    await fault.act(scene);
    const recoveredAfter = await recovery(scene);
    await load.more(Math.max(0, target - load.count), 600_000);
    await load.stop();
    options.say(`${load.count} accepted; refused: ${JSON.stringify(Object.fromEntries(load.refusals))}`);
    const evidence = await arrived(scene, fault.patienceSeconds ?? PATIENCE_S);
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
    await provider.stop();
    await kafka?.stop();
    await postgres?.stop();
  }
}

function missing(of: string): never {
  throw new Error(`This fault asks for no proxy before ${of}`);
}

/** Seconds until every service is ready and a notification sent now is delivered. */
async function recovery({ system, load, provider }: Scene): Promise<number> {
  const began = performance.now();
  for (; performance.now() - began < 180_000; await sleep(100)) {
    const id = (await system.isReady()) ? await load.probe() : undefined;
    if (id === undefined) continue;
    for (let waited = 0; waited < 60_000; waited += 20) {
      if (provider.calls.some((call) => call.notificationId === id)) return (performance.now() - began) / 1000;
      await sleep(20);
    }
    throw new Error('A notification that was accepted after the mending was not delivered within 60 s');
  }
  throw new Error('The services were not ready within 180 s of the mending');
}

/** The evidence once nothing is missing any more, or as it is when patience ends. */
async function arrived({ system, load, provider }: Scene, patienceSeconds: number): Promise<Evidence> {
  const log = await readLog(system);
  const { accepted, ids } = load;
  const until = performance.now() + patienceSeconds * 1000;
  for (;;) {
    const delivered = provider.delivered;
    if (ids.every((id) => delivered.has(id)) || performance.now() > until) {
      const stores = await readStores(system);
      const isThere = (id: string): boolean => (stores.ledger.get(id)?.delivered ?? 0) > 0 && stores.audit.has(id);
      const evidence = { accepted, log, calls: provider.calls, ...stores };
      if ([...log].every(isThere) || performance.now() > until) return evidence;
    }
    await sleep(500);
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
  ];
}
