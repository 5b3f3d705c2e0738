/**
 * The load on an HTTP server, as a process of its own. Plain sockets and requests made beforehand: with a whole HTTP client the
 * load would take more of two cores than what it measures. Speaks with its parent by messages (programs.ts).
 */
import { connect, type Socket } from 'node:net';

export interface LoadOptions {
  readonly port: number;
  readonly key: string;
  readonly connections: number;
  /** Closed loop: each connection sends its next request when it has the answer. Open: so many per second, whether or not. */
  readonly perSecond?: number;
  readonly seconds: number;
  /** Bodies, sent in turn; `@N@` in one stands for the request's number. */
  readonly bodies: readonly string[];
  /** The first request's number. */
  readonly first: number;
}

export interface LoadResult {
  readonly seconds: number;
  /** The ids of the 202s, in the order of their answers. */
  readonly ids: readonly string[];
  /** Answers that were no 202, with the first one's text. */
  readonly refused: number;
  readonly refusal: string;
  /** From when a request was due until its answer, milliseconds, sorted. */
  readonly latencies: Float64Array;
  /** By number from `first` on: when a request was due, milliseconds since 1970. */
  readonly due: Float64Array;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const ID = '"id":"';

async function load(options: LoadOptions): Promise<LoadResult> {
  const { connections, seconds, perSecond, first } = options;
  const requests = options.bodies.map((body) => (n: number) => requestOf(options, body.replaceAll('@N@', String(n))));
  const run = {
    ids: [] as string[],
    latencies: [] as number[],
    due: [] as number[],
    refused: 0,
    refusal: '',
    next: first,
  };
  const began = performance.now();
  const until = began + seconds * 1000;
  const idle: Connection[] = [];
  const waiting: { n: number; due: number }[] = [];
  const send = (connection: Connection, n: number, due: number): void =>
    connection.send(requests[n % requests.length]!(n), (status, text) => {
      run.latencies.push(performance.now() - due);
      const at = text.indexOf(ID);
      if (status === 202 && at >= 0) run.ids.push(text.slice(at + ID.length, text.indexOf('"', at + ID.length)));
      else if (run.refused++ === 0) run.refusal = `${status} ${text.slice(0, 300)}`;
      goOn(connection);
    });
  const take = (): { n: number; due: number } => {
    const due = performance.now();
    run.due.push(performance.timeOrigin + due);
    return { n: run.next++, due };
  };
  const goOn = (connection: Connection): void => {
    const job = perSecond === undefined ? (performance.now() < until ? take() : undefined) : waiting.shift();
    if (job) send(connection, job.n, job.due);
    else idle.push(connection);
  };
  const open = await Promise.all(Array.from({ length: connections }, () => Connection.open(options.port)));
  for (const connection of open) goOn(connection);
  if (perSecond !== undefined) await pace(perSecond, seconds, run, waiting, idle, send);
  while (idle.length < connections) await new Promise((resolve) => setTimeout(resolve, 1));
  const took = (performance.now() - began) / 1000;
  for (const connection of open) connection.close();
  const { ids, refused, refusal } = run;
  return {
    seconds: took,
    ids,
    refused,
    refusal,
    latencies: Float64Array.from(run.latencies).sort(),
    due: Float64Array.from(run.due),
  };
}

/** Hands requests out when they are due, to a connection that is free or else to the next that will be. */
async function pace(
  perSecond: number,
  seconds: number,
  run: { due: number[]; next: number },
  waiting: { n: number; due: number }[],
  idle: Connection[],
  send: (connection: Connection, n: number, due: number) => void,
): Promise<void> {
  const began = performance.now();
  const total = Math.round(perSecond * seconds);
  for (let i = 0; i < total;) {
    const now = performance.now();
    for (; i < total && began + (i * 1000) / perSecond <= now; i++) {
      const due = began + (i * 1000) / perSecond;
      run.due.push(performance.timeOrigin + due);
      const n = run.next++;
      const connection = idle.pop();
      if (connection) send(connection, n, due);
      else waiting.push({ n, due });
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function requestOf({ port, key }: LoadOptions, body: string): string {
  return (
    `POST /v1/notifications HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n` +
    `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  );
}

type OnAnswer = (status: number, text: string) => void;

/** One connection with one request at a time; answers have a content-length. */
class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #onAnswer: OnAnswer | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('close', () => this.#onAnswer?.(0, 'the connection was closed'));
    socket.on('error', () => undefined);
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(new Connection(socket)));
      socket.once('error', reject);
    });
  }

  send(request: string, onAnswer: OnAnswer): void {
    this.#onAnswer = onAnswer;
    this.#socket.write(request);
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    const headEnd = this.#received.indexOf(HEAD_END);
    if (headEnd < 0) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? -1);
    const end = headEnd + HEAD_END.length + length;
    if (length < 0 || this.#received.length < end) return;
    const text = this.#received.toString('utf8', headEnd + HEAD_END.length, end);
    this.#received = Buffer.alloc(0);
    const answer = this.#onAnswer;
    this.#onAnswer = undefined;
    answer?.(Number(head.slice(9, 12)), text);
  }
}

process.on('message', (options: LoadOptions) => {
  void load(options).then((result) => process.send!({ loaded: result }));
});
process.send!({ ready: true });
