/** Has a service open an inspector, for `Inspector.of`: to be put into its settings. */
export const INSPECTED = { NODE_OPTIONS: '--inspect=127.0.0.1:0' };

const ANSWER_WITHIN_MS = 10_000;

/** A service's inspector (Chrome DevTools Protocol, which Node.js speaks), to ask it what nothing else tells. */
export class Inspector {
  readonly #socket: WebSocket;
  #asked = 0;
  readonly #answers = new Map<number, (result: Answer) => void>();

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as Answer;
      this.#answers.get(answer.id)?.(answer);
      this.#answers.delete(answer.id);
    });
  }

  /** @param log what the service has printed: the address of its inspector is in it */
  static async of(log: string): Promise<Inspector> {
    const address = [...log.matchAll(/Debugger listening on (ws:\S+)/g)].at(-1)?.[1];
    if (address === undefined) throw new Error('The service has no inspector');
    const socket = new WebSocket(address);
    await new Promise((resolve, reject) => {
      socket.addEventListener('open', resolve, { once: true });
      socket.addEventListener('error', () => reject(new Error(`There is no inspector at ${address}`)), { once: true });
    });
    return new Inspector(socket);
  }

  /** What is in use once everything that can be collected has been: heap and buffers, bytes. */
  async usedMemory(): Promise<number> {
    await this.#ask('HeapProfiler.collectGarbage');
    const expression = 'process.memoryUsage().heapUsed + process.memoryUsage().external';
    const { result } = await this.#ask('Runtime.evaluate', { expression, returnByValue: true });
    return Number(result?.result?.value);
  }

  close(): void {
    this.#socket.close();
  }

  #ask(method: string, params: object = {}): Promise<Answer> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`${method} was not answered`)), ANSWER_WITHIN_MS);
      this.#answers.set(id, (answer) => {
        clearTimeout(late);
        resolve(answer);
      });
      this.#socket.send(JSON.stringify({ id, method, params }));
    });
  }
}

interface Answer {
  readonly id: number;
  readonly result?: { readonly result?: { readonly value?: unknown } };
}
