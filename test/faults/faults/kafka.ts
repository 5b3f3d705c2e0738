import { setTimeout as sleep } from 'node:timers/promises';
import type { DisposablePart } from '../../../tools/stack/disposable.ts';
import { askKafka } from '../ask-kafka.ts';
import type { Fault, Scene } from '../fault.ts';
import type { System } from '../system.ts';

/** Until every replica is in sync again: to kill the next broker before would be to kill two. */
async function allInSync(system: System): Promise<void> {
  for (let waited = 0; waited < 120_000; waited += 500) {
    const behind = await askKafka(system, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata();
      return topics.flatMap(({ partitions }) => partitions.filter(({ isr, replicas }) => isr.length < replicas.length));
    }).catch(() => undefined);
    if (behind?.length === 0) return;
    await sleep(500);
  }
  throw new Error('The replicas are not in sync after 120 s');
}

const partOf = (broker: number): DisposablePart => `kafka-${broker}`;

async function killAndStart(
  { system, load, part: share, say }: Scene,
  part: DisposablePart,
  pauseMs: number,
): Promise<void> {
  say(`kill -9 of ${part}`);
  await system.stopPart(part, 'SIGKILL');
  await sleep(pauseMs);
  await system.startPart(part);
  await allInSync(system);
  await load.more(share(0.05));
}

/** The processes must be the same ones afterwards: whatever is away, a service waits for it. */
async function stayingUp({ system, say }: Scene, outage: () => Promise<void>): Promise<void> {
  const before = system.names.map((name) => system.service(name).pid);
  await outage();
  const ended = system.names.filter(
    (name, n) => system.service(name).pid !== before[n] || !system.service(name).running,
  );
  if (ended.length > 0) throw new Error(`${ended.join(', ')} ended while something was away`);
  say('all services have stayed up');
}

/** Fault 1: until so many are lost, but not for longer than this. */
const ENOUGH_LOST = 300;
const LOSING_MS = 90_000;

/** What happens to Kafka and ZooKeeper. */
export const KAFKA_FAULTS: readonly Fault[] = [
  {
    number: 1,
    title: 'produce requests or their responses are lost, one in twenty',
    proxy: 'kafka',
    async act({ kafka, load, part, random, say }) {
      const until = performance.now() + LOSING_MS;
      const count = { lost: 0, seen: 0 };
      kafka.fate = ({ isProduce }) => {
        if (!isProduce) return 'pass';
        count.seen++;
        if (random(0, 20) > 0) return 'pass';
        count.lost++;
        return random(0, 2) === 0 ? 'lose-response' : 'lose-request';
      };
      await load.more(part(0.5), 300_000);
      while (count.lost < ENOUGH_LOST && performance.now() < until) await load.more(100, 300_000);
      kafka.fate = () => 'pass';
      say(`${count.lost} of ${count.seen} produce requests or their responses were lost`);
      if (count.lost === 0) throw new Error('Nothing was lost: the fault was none');
    },
  },
  {
    number: 2,
    title: '`kill -9` of a broker that leads partitions, 3 brokers, RF 3, min.insync 2',
    cluster: true,
    async act(scene) {
      for (let round = 0; round < 3; round++) {
        const brokers = scene.system.parts('kafka');
        await killAndStart(scene, brokers[scene.random(0, brokers.length)]!, scene.random(3_000, 8_000));
      }
    },
  },
  {
    number: 3,
    title: '`kill -9` of the controller',
    cluster: true,
    async act(scene) {
      for (let round = 0; round < 2; round++) {
        const { controller } = await askKafka(scene.system, (admin) => admin.describeCluster());
        await killAndStart(scene, partOf(controller ?? 1), scene.random(3_000, 8_000));
      }
    },
  },
  {
    number: 4,
    title: 'two of three brokers down: 503, then recovery',
    cluster: true,
    async act(scene) {
      const { system, load, random, say } = scene;
      await stayingUp(scene, async () => {
        const gone = system.parts('kafka').toSpliced(random(0, 3), 1);
        say(`kill -9 of ${gone.join(' and ')}`);
        for (const part of gone) await system.stopPart(part, 'SIGKILL');
        const before = load.refusals.get(503) ?? 0;
        await sleep(30_000);
        const refused = (load.refusals.get(503) ?? 0) - before;
        say(`${refused} requests were answered 503`);
        if (refused === 0) throw new Error('Without two replicas, requests must be refused with 503');
        for (const part of gone) await system.startPart(part);
        await allInSync(system);
      });
    },
  },
  {
    number: 5,
    title: 'all of Kafka down, the services stay up',
    differs: 'Kafka is down for 40 to 60 s instead of 5 min',
    async act(scene) {
      await stayingUp(scene, async () => {
        await scene.system.stopPart('kafka', 'SIGKILL');
        await sleep(scene.random(40_000, 60_000));
        await scene.system.startPart('kafka');
      });
    },
  },
  {
    number: 6,
    title: 'one of three ZooKeepers killed; then all away',
    differs: 'all ZooKeepers are away for 30 s instead of 60 s',
    cluster: true,
    async act(scene) {
      const { system, load, random, part: share, say } = scene;
      await stayingUp(scene, async () => {
        const zooKeepers = system.parts('zookeeper');
        const one = zooKeepers[random(0, zooKeepers.length)]!;
        say(`kill -9 of ${one}`);
        await system.stopPart(one, 'SIGKILL');
        await load.more(share(0.1));
        await system.startPart(one);
        say('kill -9 of all');
        for (const part of zooKeepers) await system.stopPart(part, 'SIGKILL');
        await sleep(30_000);
        await Promise.all(zooKeepers.map((part) => system.startPart(part)));
        await allInSync(system);
      });
    },
  },
  {
    number: 7,
    title: 'a broker stands still for 30 s (SIGSTOP)',
    cluster: true,
    async act(scene) {
      const { system, random, say } = scene;
      await stayingUp(scene, async () => {
        const part = system.parts('kafka')[random(0, 3)]!;
        say(`SIGSTOP of ${part}`);
        await system.stopPart(part, 'SIGSTOP');
        await sleep(30_000);
        await system.stopPart(part, 'SIGCONT');
        await allInSync(system);
      });
    },
  },
];
