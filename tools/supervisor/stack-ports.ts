/** A port of the local stack. */
export interface PortUse {
  /** The variable that moves it. */
  readonly variable: string;
  readonly port: number;
  /** What it is for, in words. */
  readonly what: string;
}

/** Every port of the local stack: the variable that moves it, where it is otherwise, and what it is for. */
const PORTS = {
  API_PORT: { port: 3000, what: 'the API' },
  AUDIT_PORT: { port: 3002, what: 'the audit service' },
  API_MANAGEMENT_PORT: { port: 9464, what: "the API's health and metrics" },
  NOTIFICATION_MANAGEMENT_PORT: { port: 9465, what: "the notification service's health and metrics" },
  AUDIT_MANAGEMENT_PORT: { port: 9466, what: "the audit service's health and metrics" },
  KAFKA_PORT: { port: 9092, what: 'Kafka, for programs on this machine' },
  KAFKA_INTERNAL_PORT: { port: 19092, what: 'Kafka, between brokers' },
  KAFKA_DOCKER_PORT: { port: 29092, what: 'Kafka, for containers' },
  KAFKA_JMX_PORT: { port: 1234, what: "Kafka's metrics" },
  ZOOKEEPER_PORT: { port: 2181, what: 'ZooKeeper' },
  ZOOKEEPER_JMX_PORT: { port: 1235, what: "ZooKeeper's metrics" },
  POSTGRES_PORT: { port: 15432, what: 'PostgreSQL' },
  SMTP_PORT: { port: 1025, what: "the mail catcher's SMTP" },
  MAIL_PORT: { port: 8025, what: "the mail catcher's page" },
} as const;

export type PortVariable = keyof typeof PORTS;
export const PORT_VARIABLES = Object.keys(PORTS) as PortVariable[];

/** The smallest and the largest cluster; ZooKeepers are always three. */
export const BROKERS = { least: 3, most: 5 } as const;
const ZOOKEEPERS = 3;

export interface BrokerPorts {
  readonly id: number;
  readonly external: number;
  readonly internal: number;
  readonly docker: number;
  readonly metrics: number;
}

export interface ZooKeeperPorts {
  readonly id: number;
  readonly client: number;
  readonly metrics: number;
  /** Between the members of an ensemble; 0 for one that is alone. */
  readonly peer: number;
  readonly election: number;
}

export interface StackPorts {
  /** What there is one of; for Kafka and ZooKeeper the first. */
  readonly ports: Readonly<Record<PortVariable, number>>;
  readonly brokers: readonly BrokerPorts[];
  readonly zooKeepers: readonly ZooKeeperPorts[];
  /** Kafka Connect's, with `--connect`. */
  readonly connect: number | undefined;
  /** All of them. */
  readonly uses: readonly PortUse[];
}

const ids = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** `KAFKA_PORT` is the first broker's, `KAFKA_2_PORT` the second's. */
const variableOf = (server: string, id: number, kind: string): string =>
  [server, ...(id === 1 ? [] : [String(id)]), ...(kind === '' ? [] : [kind]), 'PORT'].join('_');

/**
 * Reads the ports of a stack with so many brokers; more than one is a cluster with three ZooKeepers. What is wrong is added
 * to `problems`. With `withConnect` there is Kafka Connect, too.
 */
export function readPorts(
  get: (name: string) => string | undefined,
  brokerCount: number,
  problems: string[],
  withConnect = false,
): StackPorts {
  const taken = new Map<number, string>();
  const uses: PortUse[] = [];
  const read = (variable: string, fallback: number, what: string): number => {
    const text = get(variable) ?? String(fallback);
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535) {
      problems.push(`${variable} must be a port, 1 to 65535 (got ${JSON.stringify(text.slice(0, 40))})`);
    } else if (taken.has(port)) {
      problems.push(`${taken.get(port)} and ${variable} are both ${port}: every part needs a port of its own`);
    } else taken.set(port, variable);
    uses.push({ variable, port, what });
    return port;
  };
  const ports = Object.fromEntries(
    PORT_VARIABLES.map((variable) => [variable, read(variable, PORTS[variable].port, PORTS[variable].what)]),
  ) as Record<PortVariable, number>;
  const clustered = brokerCount > 1;
  return {
    ports,
    brokers: ids(brokerCount).map((id) => brokerPorts(id, ports, read)),
    zooKeepers: ids(clustered ? ZOOKEEPERS : 1).map((id) => zooKeeperPorts(id, ports, clustered, read)),
    connect: withConnect ? read('CONNECT_PORT', 8083, 'Kafka Connect') : undefined,
    uses,
  };
}

type Read = (variable: string, fallback: number, what: string) => number;

function brokerPorts(id: number, first: StackPorts['ports'], read: Read): BrokerPorts {
  if (id === 1) {
    const { KAFKA_PORT, KAFKA_INTERNAL_PORT, KAFKA_DOCKER_PORT, KAFKA_JMX_PORT } = first;
    return {
      id,
      external: KAFKA_PORT,
      internal: KAFKA_INTERNAL_PORT,
      docker: KAFKA_DOCKER_PORT,
      metrics: KAFKA_JMX_PORT,
    };
  }
  const at = (kind: string, port: number, what: string): number =>
    read(variableOf('KAFKA', id, kind), port, `broker ${id}, ${what}`);
  return {
    id,
    external: at('', 9091 + id, 'for programs on this machine'),
    internal: at('INTERNAL', 19_091 + id, 'between brokers'),
    docker: at('DOCKER', 29_091 + id, 'for containers'),
    metrics: at('JMX', id * 1_000 + 234, 'metrics'),
  };
}

function zooKeeperPorts(id: number, first: StackPorts['ports'], clustered: boolean, read: Read): ZooKeeperPorts {
  const at = (kind: string, port: number, what: string): number =>
    read(variableOf('ZOOKEEPER', id, kind), port, `ZooKeeper ${id}, ${what}`);
  return {
    id,
    client: id === 1 ? first.ZOOKEEPER_PORT : at('', 2180 + id, 'for brokers'),
    metrics: id === 1 ? first.ZOOKEEPER_JMX_PORT : at('JMX', id * 1_000 + 235, 'metrics'),
    peer: clustered ? at('PEER', 2887 + id, 'for followers') : 0,
    election: clustered ? at('ELECTION', 3887 + id, 'for elections') : 0,
  };
}
