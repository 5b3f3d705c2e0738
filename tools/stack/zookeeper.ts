import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Jars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';
import { ask } from './ports.ts';
import type { ProcessSpec } from './process.ts';
import { loginFlag, SECURE_INFRA, type StackSecrets } from './secrets.ts';
import { until } from './until.ts';

const INFRA = join(import.meta.dirname, '..', '..', 'infra');

/** A member of an ensemble, as the others know it. All are on this machine. */
export interface EnsembleMember {
  readonly id: number;
  /** Where followers follow the leader. */
  readonly peer: number;
  /** Where leaders are elected. */
  readonly election: number;
}

export interface ZooKeeperOptions {
  readonly jars: Jars;
  /** Where its configuration and its data are kept. */
  readonly home: string;
  readonly name: string;
  /** For clients. */
  readonly port: number;
  /** Without it, it is alone. */
  readonly ensemble?: { readonly id: number; readonly members: readonly EnsembleMember[] };
  /** The JMX exporter's port; without it there is no agent. */
  readonly metricsPort?: number;
  /** Secure mode: sessions are for those who log in. */
  readonly secrets?: StackSecrets | undefined;
  readonly pidFile: string;
}

/** Writes ZooKeeper's configuration and says how to start it. */
export async function prepareZooKeeper(options: ZooKeeperOptions): Promise<ProcessSpec> {
  const { jars, home, name, port, ensemble, metricsPort, secrets, pidFile } = options;
  const data = join(home, 'data');
  await mkdir(data, { recursive: true });
  const configuration = join(home, 'zoo.cfg');
  const files = [join(INFRA, 'zookeeper', 'zoo.cfg'), ...(secrets ? [join(SECURE_INFRA, 'zoo.cfg')] : [])];
  const fixed = (await Promise.all(files.map((file) => readFile(file, 'utf8')))).join('\n');
  const members =
    ensemble?.members.map(({ id, peer, election }) => `server.${id}=127.0.0.1:${peer}:${election}\n`) ?? [];
  await writeFile(
    configuration,
    `${fixed}\ndataDir=${data}\nclientPort=${port}\nclientPortAddress=127.0.0.1\n${members.join('')}`,
  );
  if (ensemble) await writeFile(join(data, 'myid'), `${ensemble.id}\n`);
  const exporter =
    metricsPort === undefined ? undefined : { port: metricsPort, rules: join(INFRA, 'jmx', 'zookeeper.yml') };
  return {
    name,
    command: javaCommand(),
    args: [
      ...javaArguments(jars, 'org.apache.zookeeper.server.quorum.QuorumPeerMain', {
        flags: [
          ensemble ? '-Xms16m' : '-Xms32m',
          ensemble ? '-Xmx96m' : '-Xmx128m',
          '-XX:+UseSerialGC',
          '-XX:TieredStopAtLevel=1',
          ...(secrets ? [loginFlag(secrets, 'zookeeper.jaas')] : []),
        ],
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

/** Whether ZooKeeper serves requests: `ruok` is answered also by a member that has found no majority yet. */
export async function zooKeeperIsReady(port: number): Promise<boolean> {
  return /^Mode: (standalone|leader|follower)$/m.test(await command(port, 'srvr'));
}

/**
 * Waits until no session holds the broker's registration any more. A broker that was killed leaves its registration
 * behind until its session ends (6 s); one started earlier finds it, and gives up.
 * @param ports of every ZooKeeper; those that are away are not waited for
 * @returns false when it is still there after `timeoutMs`
 */
export async function brokerIsUnregistered(
  ports: readonly number[],
  brokerId: number,
  { timeoutMs = 15_000, signal }: { timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<boolean> {
  const registration = new RegExp(`/brokers/ids/${brokerId}\\s`);
  const unregistered = async (): Promise<boolean> => {
    const answers = await Promise.all(ports.map((port) => command(port, 'dump').catch(() => '')));
    // One that is still starting answers too, but not the question.
    const dumps = answers.filter((answer) => answer.startsWith('SessionTracker dump'));
    return dumps.length > 0 && !dumps.some((dump) => registration.test(`${dump}\n`));
  };
  return until(unregistered, { timeoutMs, everyMs: 100, signal });
}

/** One of ZooKeeper's four-letter commands; it answers and closes the connection. */
async function command(port: number, name: string): Promise<string> {
  return (await ask(port, name, () => false)).toString('utf8');
}
