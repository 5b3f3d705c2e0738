import { join } from 'node:path';
import type { Jars } from './jars.ts';
import { prepareKafka } from './kafka.ts';
import { freePorts } from './ports.ts';
import type { ProcessSpec } from './process.ts';
import type { StackSecrets } from './secrets.ts';
import { prepareZooKeeper, type EnsembleMember } from './zookeeper.ts';

/** A broker or a ZooKeeper of a disposable stack. */
export interface JavaServer {
  readonly kind: 'kafka' | 'zookeeper';
  /** The broker's id, or the ensemble member's. */
  readonly id: number;
  /** For clients. */
  readonly port: number;
  /** Of its JMX exporter, if it has one. */
  readonly metrics?: number;
  /** All of its ports. */
  readonly ports: readonly number[];
  readonly spec: ProcessSpec;
}

export interface JavaServerOptions {
  readonly secrets?: StackSecrets | undefined;
  /** With the JMX exporter's agent. */
  readonly metrics?: boolean;
}

/** As many ZooKeepers and brokers, on free ports; one of each is no cluster. */
export async function prepareJavaServers(
  jars: Jars,
  home: string,
  count: 1 | 3,
  options: JavaServerOptions = {},
): Promise<JavaServer[]> {
  const ports = await freePorts(count * 4);
  const members = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    client: ports[index * 4] ?? 0,
    peer: ports[index * 4 + 1] ?? 0,
    election: ports[index * 4 + 2] ?? 0,
    metrics: options.metrics === true ? ports[index * 4 + 3] : undefined,
  }));
  const servers = await Promise.all(
    members.map((member) => prepareMember(jars, home, member, members, options.secrets)),
  );
  for (let id = 1; id <= count; id += 1) {
    servers.push(
      await prepareBroker(
        jars,
        home,
        servers,
        servers.flatMap((server) => server.ports),
        options,
      ),
    );
  }
  return servers;
}

async function prepareMember(
  jars: Jars,
  home: string,
  member: EnsembleMember & { client: number; metrics: number | undefined },
  members: readonly EnsembleMember[],
  secrets: StackSecrets | undefined,
): Promise<JavaServer> {
  const { id, client, peer, election, metrics } = member;
  const alone = members.length === 1;
  const name = alone ? 'zookeeper' : `zookeeper-${id}`;
  const spec = await prepareZooKeeper({
    jars,
    home: join(home, name),
    name,
    port: client,
    ...(alone ? {} : { ensemble: { id, members } }),
    ...(metrics === undefined ? {} : { metricsPort: metrics }),
    secrets,
    pidFile: join(home, `${name}.pid`),
  });
  const all = [client, peer, election, ...(metrics === undefined ? [] : [metrics])];
  return { kind: 'zookeeper', id, port: client, ...(metrics === undefined ? {} : { metrics }), ports: all, spec };
}

/** The next broker of the stack that has these servers. */
export async function prepareBroker(
  jars: Jars,
  home: string,
  servers: readonly JavaServer[],
  taken: readonly number[],
  options: JavaServerOptions = {},
): Promise<JavaServer> {
  const zooKeeperPorts = servers.filter(({ kind }) => kind === 'zookeeper').map(({ port }) => port);
  const id = servers.length - zooKeeperPorts.length + 1;
  const clustered = zooKeeperPorts.length > 1;
  const name = clustered ? `kafka-${id}` : 'kafka';
  const [external, internal, docker, spare] = (await freePorts(4, taken)) as [number, number, number, number];
  const metrics = options.metrics === true ? { metrics: spare } : {};
  const spec = await prepareKafka({
    jars,
    home: join(home, name),
    name,
    brokerId: id,
    clustered,
    zooKeeperPorts,
    ports: { external, internal, docker, ...metrics },
    secrets: options.secrets,
    pidFile: join(home, `${name}.pid`),
  });
  return { kind: 'kafka', id, port: external, ...metrics, ports: [external, internal, docker, spare], spec };
}
