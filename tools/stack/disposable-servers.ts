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
  /** All of its ports. */
  readonly ports: readonly number[];
  readonly spec: ProcessSpec;
}

/** As many ZooKeepers and brokers, on free ports; one of each is no cluster. */
export async function prepareJavaServers(
  jars: Jars,
  home: string,
  count: 1 | 3,
  secrets?: StackSecrets,
): Promise<JavaServer[]> {
  const ports = await freePorts(count * 3);
  const members = Array.from({ length: count }, (_, index) => ({
    id: index + 1,
    client: ports[index * 3] ?? 0,
    peer: ports[index * 3 + 1] ?? 0,
    election: ports[index * 3 + 2] ?? 0,
  }));
  const servers = await Promise.all(members.map((member) => prepareMember(jars, home, member, members, secrets)));
  for (let id = 1; id <= count; id += 1) {
    servers.push(
      await prepareBroker(
        jars,
        home,
        servers,
        servers.flatMap((server) => server.ports),
        secrets,
      ),
    );
  }
  return servers;
}

async function prepareMember(
  jars: Jars,
  home: string,
  member: EnsembleMember & { client: number },
  members: readonly EnsembleMember[],
  secrets: StackSecrets | undefined,
): Promise<JavaServer> {
  const { id, client, peer, election } = member;
  const alone = members.length === 1;
  const name = alone ? 'zookeeper' : `zookeeper-${id}`;
  const spec = await prepareZooKeeper({
    jars,
    home: join(home, name),
    name,
    port: client,
    ...(alone ? {} : { ensemble: { id, members } }),
    secrets,
    pidFile: join(home, `${name}.pid`),
  });
  return { kind: 'zookeeper', id, port: client, ports: [client, peer, election], spec };
}

/** The next broker of the stack that has these servers. */
export async function prepareBroker(
  jars: Jars,
  home: string,
  servers: readonly JavaServer[],
  taken: readonly number[],
  secrets?: StackSecrets,
): Promise<JavaServer> {
  const zooKeeperPorts = servers.filter(({ kind }) => kind === 'zookeeper').map(({ port }) => port);
  const id = servers.length - zooKeeperPorts.length + 1;
  const clustered = zooKeeperPorts.length > 1;
  const name = clustered ? `kafka-${id}` : 'kafka';
  const [external, internal, docker] = (await freePorts(3, taken)) as [number, number, number];
  const spec = await prepareKafka({
    jars,
    home: join(home, name),
    name,
    brokerId: id,
    clustered,
    zooKeeperPorts,
    ports: { external, internal, docker },
    secrets,
    pidFile: join(home, `${name}.pid`),
  });
  return { kind: 'kafka', id, port: external, ports: [external, internal, docker], spec };
}
