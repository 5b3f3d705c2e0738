import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { rewriteCoordinator, rewriteMetadata } from './kafka-metadata.js';

const PRODUCE = 0;
const METADATA = 3;
const FIND_COORDINATOR = 10;
const JOIN_GROUP = 11;
const HEARTBEAT = 12;

/** A request that passes, by its key in Kafka's protocol, and the node that it was sent to. */
export interface ProxiedRequest {
  readonly api: number;
  readonly node: number;
  readonly isProduce: boolean;
}

/**
 * `lose-request`: the broker never sees it. `lose-response`: the broker does it, the client is not told. Both cut the
 * connection, which is how a network loses things. `refuse`, of a Heartbeat or a JoinGroup: the broker never sees it, the
 * client is answered with this error code of Kafka's protocol.
 */
export type Fate = 'pass' | 'lose-request' | 'lose-response' | { readonly refuse: number };

export interface KafkaProxyOptions {
  /** `host:port` of the real broker. */
  readonly broker: string;
  /** The nodes that clients are told of, all of them this one broker; the first must be its real id. Default `[1]`. */
  readonly nodes?: readonly number[];
}

/**
 * Stands between clients and one real broker, understands Kafka's framing, and loses what a test asks it to lose. It tells
 * clients its own ports, so that they stay on it; with several nodes it makes one broker look like a cluster whose
 * leaders the test can move.
 */
export class KafkaProxy {
  /** Decides over each request; called once per request. */
  fate: (request: ProxiedRequest) => Fate = () => 'pass';
  /** Which node leads a partition; default: as the broker says. */
  leaderOf: ((topic: string, partition: number) => number) | undefined;
  /** While true, connections are refused and nothing passes on those that are open. */
  down = false;
  readonly #target: { host: string; port: number };
  readonly #servers = new Map<number, Server>();
  readonly #sockets = new Set<Socket>();

  private constructor(broker: string) {
    const [host, port] = broker.split(':');
    this.#target = { host: host!, port: Number(port) };
  }

  static async start({ broker, nodes = [1] }: KafkaProxyOptions): Promise<KafkaProxy> {
    const proxy = new KafkaProxy(broker);
    for (const node of nodes) {
      const server = net.createServer((socket) => proxy.#connected(node, socket));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      proxy.#servers.set(node, server);
    }
    return proxy;
  }

  /** `host:port` for clients to begin with. */
  get bootstrap(): string {
    return `127.0.0.1:${this.#port([...this.#servers.keys()][0]!)}`;
  }

  /** Cuts all connections that are open now. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    await Promise.all([...this.#servers.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  }

  #port(node: number): number {
    return (this.#servers.get(node)!.address() as AddressInfo).port;
  }

  #connected(node: number, client: Socket): void {
    if (this.down) {
      client.destroy();
      return;
    }
    const broker = net.connect(this.#target);
    const requests = new Map<number, { api: number; version: number; fate: Fate }>();
    const cut = (): void => {
      client.destroy();
      broker.destroy();
    };
    for (const socket of [client, broker]) {
      this.#sockets.add(socket);
      socket.on('error', cut).on('close', () => {
        this.#sockets.delete(socket);
        cut();
      });
    }
    onFrames(client, (frame) => {
      const [api, version, correlation] = [frame.readInt16BE(0), frame.readInt16BE(2), frame.readInt32BE(4)];
      const fate = this.down ? 'lose-request' : this.fate({ api, node, isProduce: api === PRODUCE });
      requests.set(correlation, { api, version, fate });
      if (fate === 'lose-request') cut();
      else if (typeof fate === 'object') send(client, refusal(api, version, correlation, fate.refuse));
      else send(broker, frame);
    });
    onFrames(broker, (frame) => {
      const correlation = frame.readInt32BE(0);
      const request = requests.get(correlation);
      requests.delete(correlation);
      if (request?.fate === 'lose-response' || this.down) cut();
      else send(client, request ? this.#rewrite(request, node, frame) : frame);
    });
  }

  #rewrite({ api, version }: { api: number; version: number }, node: number, frame: Buffer): Buffer {
    if (api === METADATA) {
      const brokers = [...this.#servers.keys()].map((id) => ({ id, host: '127.0.0.1', port: this.#port(id) }));
      return rewriteMetadata(frame, version, brokers, this.leaderOf);
    }
    return api === FIND_COORDINATOR ? rewriteCoordinator(frame, version, this.#port(node)) : frame;
  }
}

/** An answer that has nothing but an error. @throws for a request that has another answer */
function refusal(api: number, version: number, correlation: number, error: number): Buffer {
  if (!((api === HEARTBEAT && version >= 1) || (api === JOIN_GROUP && version >= 2)))
    throw new Error(`Request ${api}, version ${version}, cannot be refused here`);
  // Correlation id, throttle time, error. JoinGroup has more: generation, protocol, leader, member, members.
  const frame = Buffer.alloc(api === HEARTBEAT ? 10 : 24);
  frame.writeInt32BE(correlation, 0);
  frame.writeInt16BE(error, 8);
  return frame;
}

function onFrames(socket: Socket, take: (frame: Buffer) => void): void {
  let buffered: Buffer = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk]);
    while (buffered.length >= 4) {
      const end = 4 + buffered.readInt32BE(0);
      if (buffered.length < end) return;
      const frame = buffered.subarray(4, end);
      buffered = buffered.subarray(end);
      take(frame);
    }
  });
}

function send(socket: Socket, frame: Buffer): void {
  if (socket.destroyed) return;
  const length = Buffer.alloc(4);
  length.writeInt32BE(frame.length);
  socket.write(Buffer.concat([length, frame]));
}
