import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/**
 * `up` passes everything. `down` cuts what is open and refuses what is new, like a server that died. `stalled` keeps
 * connections and passes nothing, like a server that was stopped.
 */
export type ProxyState = 'up' | 'down' | 'stalled';

/** How slow the way is, in each direction. */
export interface Slowness {
  /** Added to each piece of data, milliseconds. */
  readonly latencyMs: number;
  /** Bytes per second of each connection. Default: as fast as it goes. */
  readonly bytesPerSecond?: number;
}

/** Stands before a server that speaks any protocol over TCP, and takes it away when a test says so. */
export class TcpProxy {
  readonly #server: Server;
  readonly #target: { readonly host: string; readonly port: number };
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #state: ProxyState = 'up';
  /** Undefined: as fast as it goes. */
  slowness: Slowness | undefined;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#connected(client));
  }

  static async start(target: { host: string; port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  set(state: ProxyState): void {
    this.#state = state;
    for (const pair of this.#pairs) {
      for (const socket of pair) {
        if (state === 'down') socket.destroy();
        else if (state === 'stalled') socket.pause();
        else socket.resume();
      }
    }
  }

  async stop(): Promise<void> {
    this.set('down');
    this.#server.close();
    await once(this.#server, 'close');
  }

  #connected(client: Socket): void {
    if (this.#state === 'down') {
      client.destroy();
      return;
    }
    const server = connect(this.#target);
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk: Buffer) => this.#pass(chunk, from, to));
      from
        .on('error', () => undefined)
        .on('close', () => {
          this.#pairs.delete(pair);
          to.destroy();
        });
      if (this.#state === 'stalled') from.pause();
    }
  }

  /** One piece at a time, so that the order stays and the sender feels it. */
  #pass(chunk: Buffer, from: Socket, to: Socket): void {
    if (!this.slowness) {
      to.write(chunk);
      return;
    }
    const { latencyMs, bytesPerSecond = Infinity } = this.slowness;
    from.pause();
    setTimeout(
      () => {
        if (!to.destroyed) to.write(chunk);
        if (this.#state !== 'stalled') from.resume();
      },
      latencyMs + (chunk.length / bytesPerSecond) * 1000,
    );
  }
}
