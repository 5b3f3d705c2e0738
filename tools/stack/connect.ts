import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { javaCommand } from './java.ts';
import type { ProcessSpec } from './process.ts';

const INFRA = join(import.meta.dirname, '..', '..', 'infra');
/** What Connect does: docs/guides/kafka-connect.md. */
const CONNECTORS = ['requests-from-file', 'events-to-file'] as const;

export interface ConnectOptions {
  /** From `resolveConnectJars`. */
  readonly classpath: string;
  /** Where it keeps its configuration and how far it has read. */
  readonly home: string;
  /** `host:port` of brokers, comma-separated. */
  readonly brokers: string;
  /** Its HTTP interface's, on the loopback only. */
  readonly port: number;
  /** Requests to send are read from here, one a line. */
  readonly requestsFile: string;
  /** Events are written here, one a line. */
  readonly eventsFile: string;
  readonly tenant?: string;
  /** KAFKA_TOPIC_PREFIX. */
  readonly topicPrefix?: string;
  readonly pidFile: string;
}

/** Writes the worker's configuration and says how to start it: one process, with the connectors of infra/connect. */
export async function prepareConnect(options: ConnectOptions): Promise<ProcessSpec> {
  const { home, brokers, port, requestsFile, eventsFile, tenant = 'default', topicPrefix = '' } = options;
  await mkdir(home, { recursive: true });
  const worker = join(home, 'worker.properties');
  const fixed = await readFile(join(INFRA, 'connect', 'worker.properties'), 'utf8');
  // Of a setting that is there twice Java takes the last; here its connectors are on the class path.
  const own = `listeners=http://127.0.0.1:${port}\nplugin.path=\n`;
  await writeFile(worker, `${fixed}\n${own}`);
  return {
    name: 'connect',
    command: javaCommand(),
    args: [
      '-Xms64m',
      '-Xmx256m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      '-Djava.awt.headless=true',
      `-Dlog4j.configuration=${pathToFileURL(join(INFRA, 'connect', 'log4j.properties')).href}`,
      '-cp',
      options.classpath,
      'org.apache.kafka.connect.cli.ConnectStandalone',
      worker,
      ...CONNECTORS.map((name) => join(INFRA, 'connect', `${name}.properties`)),
    ],
    cwd: home,
    env: {
      CONNECT_BOOTSTRAP_SERVERS: brokers,
      CONNECT_DATA: home,
      CONNECT_REQUESTS_FILE: requestsFile,
      CONNECT_EVENTS_FILE: eventsFile,
      CONNECT_TENANT: tenant,
      CONNECT_TOPIC_PREFIX: topicPrefix,
    },
    stopSignal: 'SIGTERM',
    killSignal: 'SIGKILL',
    pidFile: options.pidFile,
  };
}

/** Whether every connector and its task run. One that has failed stays so until Connect is started again. */
export async function connectIsReady(port: number): Promise<boolean> {
  const states = await Promise.all(
    CONNECTORS.map(async (name) => {
      const answer = await fetch(`http://127.0.0.1:${port}/connectors/${name}/status`, {
        signal: AbortSignal.timeout(2_000),
      });
      if (!answer.ok) return [];
      const { connector, tasks } = (await answer.json()) as { connector: State; tasks: State[] };
      return [connector, ...tasks].map(({ state }) => state);
    }),
  );
  return states.every((each) => each.length > 1 && each.every((state) => state === 'RUNNING'));
}

interface State {
  readonly state: string;
}
