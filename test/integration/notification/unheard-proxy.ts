import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** `answered`: when the server's answer has come, which the client never hears; `sent`: as soon as the server has the statement. */
export type BreakWhen = 'answered' | 'sent';

/** PostgreSQL's ReadyForQuery, the end of each answer, but for its last byte: whether a transaction is open. */
const READY = Buffer.from([0x5a, 0, 0, 0, 5]);

/**
 * Stands before PostgreSQL and breaks a connection in the very moment of which nobody can tell, afterwards, whether the
 * statement was carried out. It was.
 */
export class UnheardProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: { readonly host: string; readonly port: number };
  #breaking: { readonly statement: string; readonly when: BreakWhen; readonly broken: () => void } | undefined;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#server = createServer((client) => this.#connected(client));
  }

  static async start(target: { host: string; port: number }): Promise<UnheardProxy> {
    const proxy = new UnheardProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Breaks the connection of the next such statement. Resolves when it is broken.
   * @param statement its name, or its text if it has none (`COMMIT`)
   */
  async break(statement: string, when: BreakWhen = 'answered'): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#breaking = { statement, when, broken: resolve };
    await promise;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #connected(client: Socket): void {
    const server = connect(this.#target);
    let swallow: (() => void) | undefined;
    const cut = (broken: () => void): void => {
      client.destroy();
      // Not destroyed: what it has been sent it is to carry out.
      server.end();
      broken();
    };
    client.on('data', (chunk: Buffer) => {
      server.write(chunk);
      const breaking = this.#breaking;
      if (!breaking || !chunk.includes(breaking.statement)) return;
      this.#breaking = undefined;
      if (breaking.when === 'sent') cut(breaking.broken);
      else swallow = () => cut(breaking.broken);
    });
    server.on('data', (chunk: Buffer) => {
      if (!swallow) client.write(chunk);
      else if (chunk.subarray(-READY.length - 1, -1).equals(READY)) swallow();
    });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(one);
      one.on('error', () => undefined);
      one.on('close', () => {
        this.#sockets.delete(one);
        other.end();
      });
    }
  }
}
