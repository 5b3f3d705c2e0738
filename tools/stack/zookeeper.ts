import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Jars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';
import { ask } from './ports.ts';
import type { ProcessSpec } from './process.ts';
import { until } from './until.ts';

const INFRA = join(import.meta.dirname, '..', '..', 'infra');

export interface ZooKeeperOptions {
  readonly jars: Jars;
  /** Where its configuration and its data are kept. */
  readonly home: string;
  readonly port: number;
  /** The JMX exporter's port; without it there is no agent. */
  readonly metricsPort?: number;
  readonly pidFile: string;
}

/** Writes ZooKeeper's configuration and says how to start it. */
export async function prepareZooKeeper({
  jars,
  home,
  port,
  metricsPort,
  pidFile,
}: ZooKeeperOptions): Promise<ProcessSpec> {
  const data = join(home, 'data');
  await mkdir(data, { recursive: true });
  const configuration = join(home, 'zoo.cfg');
  const fixed = await readFile(join(INFRA, 'zookeeper', 'zoo.cfg'), 'utf8');
  await writeFile(configuration, `${fixed}\ndataDir=${data}\nclientPort=${port}\nclientPortAddress=127.0.0.1\n`);
  const exporter =
    metricsPort === undefined ? undefined : { port: metricsPort, rules: join(INFRA, 'jmx', 'zookeeper.yml') };
  return {
    name: 'zookeeper',
    command: javaCommand(),
    args: [
      ...javaArguments(jars, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', {
        flags: ['-Xms32m', '-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
        log4j: join(INFRA, 'kafka', 'log4j.properties'),
        exporter,
      }),
      configuration,
    ],
    cwd: home,
    env: {},
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
    pidFile,
  };
}

/** Whether ZooKeeper answers requests. */
export async function zooKeeperIsReady(port: number): Promise<boolean> {
  return (await command(port, 'ruok')) === 'imok';
}

/**
 * Waits until no session holds the broker's registration any more. A broker that was killed leaves its registration
 * behind until its session ends (6 s); one started earlier finds it, and gives up.
 * @returns false when it is still there after `timeoutMs`
 */
export async function brokerIsUnregistered(
  port: number,
  brokerId: number,
  { timeoutMs = 15_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<boolean> {
  const registration = new RegExp(`/brokers/ids/${brokerId}\\s`);
  const unregistered = async (): Promise<boolean> => {
    const dump = await command(port, 'dump');
    // One that is still starting answers too, but not the question.
    return dump.startsWith('SessionTracker dump') && !registration.test(`${dump}\n`);
  };
  return until(unregistered, { timeoutMs, everyMs: 100, signal });
}

/** One of ZooKeeper's four-letter commands; it answers and closes the connection. */
async function command(port: number, name: string): Promise<string> {
  return (await ask(port, name, () => false)).toString('utf8');
}
