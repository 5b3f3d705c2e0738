import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { JavaServer } from './disposable-servers.ts';
import type { Jars } from './jars.ts';
import { prepareKafka } from './kafka.ts';
import { freePorts } from './ports.ts';

/** A cluster's id: 16 bytes in base64url. */
const CLUSTER_ID = 'Ym9uZ3N1LWtyYWZ0LTAwMQ';

/** A broker without ZooKeeper, that is its own controller; its storage is formatted, as Kafka wants it before the first start. */
export async function prepareKraftServer(jars: Jars, home: string): Promise<JavaServer> {
  const [external, internal, docker, controller] = (await freePorts(4)) as [number, number, number, number];
  const spec = await prepareKafka({
    jars,
    home: join(home, 'kafka'),
    name: 'kafka',
    brokerId: 1,
    clustered: false,
    zooKeeperPorts: [],
    ports: { external, internal, docker, controller },
    pidFile: join(home, 'kafka.pid'),
  });
  const configuration = spec.args.at(-1) ?? '';
  const format = ['-cp', jars.classpath, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', configuration];
  await promisify(execFile)(spec.command, format, { cwd: spec.cwd });
  return { kind: 'kafka', id: 1, port: external, ports: [external, internal, docker, controller], spec };
}
