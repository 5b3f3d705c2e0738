import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Jars } from './jars.ts';
import { javaArguments, javaCommand } from './java.ts';
import { ask } from './ports.ts';
import type { ProcessSpec } from './process.ts';
import { loginFlag, SECURE_INFRA, type StackSecrets } from './secrets.ts';

const INFRA = join(import.meta.dirname, '..', '..', 'infra');

export interface KafkaOptions {
  readonly jars: Jars;
  /** Where its configuration and its data are kept. */
  readonly home: string;
  readonly name: string;
  readonly brokerId: number;
  /** Three brokers or more: each record is kept on three, and each broker is a rack of its own. */
  readonly clustered: boolean;
  /** Of every ZooKeeper; none when the broker is its own controller (KRaft). */
  readonly zooKeeperPorts: readonly number[];
  readonly ports: {
    /** Programs on this machine. */
    readonly external: number;
    /** Between brokers. */
    readonly internal: number;
    /** Programs in containers. */
    readonly docker: number;
    /** Without ZooKeeper: the controller's. */
    readonly controller?: number;
    /** The JMX exporter's; without it there is no agent. */
    readonly metrics?: number;
  };
  /** The name by which containers know this machine; the docker listener is then open to other machines. Default: closed to them. */
  readonly dockerHost?: string;
  /** Secure mode: TLS and SCRAM on every listener, rights by user. */
  readonly secrets?: StackSecrets | undefined;
  readonly pidFile: string;
}

/** Writes the broker's configuration and says how to start it. */
export async function prepareKafka(options: KafkaOptions): Promise<ProcessSpec> {
  const { jars, home, name, clustered, ports, secrets, pidFile } = options;
  const data = join(home, 'data');
  await mkdir(data, { recursive: true });
  const configuration = join(home, 'server.properties');
  const fixed = await Promise.all(
    [
      join(INFRA, 'kafka', 'server.properties'),
      ...(clustered ? [join(INFRA, 'kafka', 'cluster.properties')] : []),
      ...(ports.controller === undefined ? [] : [join(INFRA, 'kafka', 'kraft.properties')]),
      ...(secrets ? [join(SECURE_INFRA, 'kafka.properties')] : []),
    ].map((file) => readFile(file, 'utf8')),
  );
  // Of a setting that is there twice Kafka takes the last.
  await writeFile(configuration, [...fixed, ownSettings(options, data)].join('\n'));
  const exporter =
    ports.metrics === undefined ? undefined : { port: ports.metrics, rules: join(INFRA, 'jmx', 'kafka.yml') };
  return {
    name,
    command: javaCommand(),
    args: [
      ...javaArguments(jars, 'kafka.Kafka', {
        flags: [
          clustered ? '-Xms96m' : '-Xms128m',
          clustered ? '-Xmx320m' : '-Xmx512m',
          '-XX:+UseSerialGC',
          ...(secrets ? [loginFlag(secrets, 'kafka.jaas')] : []),
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

const inTheClear = (controller: string | undefined): string =>
  `EXTERNAL:PLAINTEXT,INTERNAL:PLAINTEXT,DOCKER:PLAINTEXT${controller === undefined ? '' : ',CONTROLLER:PLAINTEXT'}`;

function ownSettings(options: KafkaOptions, data: string): string {
  const { brokerId, clustered, ports, dockerHost, zooKeeperPorts, secrets } = options;
  const controller = ports.controller === undefined ? undefined : `127.0.0.1:${ports.controller}`;
  return Object.entries({
    ...(clustered ? { 'broker.rack': `rack-${brokerId}` } : {}),
    ...(controller === undefined
      ? { 'broker.id': brokerId, 'zookeeper.connect': zooKeeperPorts.map((port) => `127.0.0.1:${port}`).join(',') }
      : { 'controller.quorum.voters': `1@${controller}` }),
    'log.dirs': data,
    ...(secrets
      ? { 'ssl.keystore.location': secrets.file('kafka.pem'), 'ssl.truststore.location': secrets.ca }
      : { 'listener.security.protocol.map': inTheClear(controller) }),
    'inter.broker.listener.name': 'INTERNAL',
    listeners: `${controller === undefined ? '' : `CONTROLLER://${controller},`}EXTERNAL://127.0.0.1:${ports.external},INTERNAL://127.0.0.1:${ports.internal},DOCKER://${dockerHost ? '0.0.0.0' : '127.0.0.1'}:${ports.docker}`,
    'advertised.listeners': `EXTERNAL://127.0.0.1:${ports.external},INTERNAL://127.0.0.1:${ports.internal},DOCKER://${dockerHost ?? '127.0.0.1'}:${ports.docker}`,
  })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

/**
 * Whether the broker answers requests: it opens its ports early in its start but answers only at the end of it, after it
 * has registered itself. Asked with ApiVersions v0, which every version of Kafka understands, and before anybody has logged in.
 * @param ca the authority to trust, in secure mode
 */
export async function kafkaIsReady(port: number, ca?: string): Promise<boolean> {
  const request = Buffer.alloc(14);
  request.writeInt32BE(10, 0); // length of what follows
  request.writeInt16BE(18, 4); // ApiVersions
  request.writeInt16BE(0, 6); // version
  request.writeInt32BE(1, 8); // correlation id
  request.writeInt16BE(-1, 12); // no client id
  const answer = await ask(port, request, (bytes) => bytes.length >= 10, { ca });
  return answer.length >= 10 && answer.readInt32BE(4) === 1 && answer.readInt16BE(8) === 0;
}
