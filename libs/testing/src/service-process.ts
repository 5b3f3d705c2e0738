import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type ServiceName = 'api' | 'notification' | 'audit';

export interface ServiceOptions {
  readonly name: ServiceName;
  /** Settings of the service, over nothing but PATH: a test must not depend on the shell that it was started from. */
  readonly env: Readonly<Record<string, string>>;
  /** How long it may take until it is ready, milliseconds; 0 does not wait. Default 30,000. */
  readonly readyWithinMs?: number;
}

const ROOT = join(import.meta.dirname, '..', '..', '..');
const READY_WITHIN_MS = 30_000;

/**
 * A service as it runs in production: its build, in a process of its own, on free ports. Every process that a test starts
 * must be ended by it (`stop` or `kill`); one that outlives the test process is killed when that exits.
 */
export class ServiceProcess {
  readonly name: ServiceName;
  /** Where it serves HTTP; without meaning for notification. */
  readonly url: string;
  readonly managementUrl: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  #log = '';

  private constructor(options: ServiceOptions, port: number, managementPort: number) {
    this.name = options.name;
    this.url = `http://127.0.0.1:${port}`;
    this.managementUrl = `http://127.0.0.1:${managementPort}`;
    const main = join(ROOT, 'apps', options.name, 'dist', 'apps', options.name, 'src', 'main.js');
    this.#child = spawn(process.execPath, ['--enable-source-maps', main], {
      env: { PATH: process.env['PATH'], PORT: String(port), MANAGEMENT_PORT: String(managementPort), ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
    }
    this.#exited = once(this.#child, 'exit').then(([code]) => code as number | null);
    killWithThisProcess(this.#child);
  }

  /** Starts a service and waits until it is ready. Rejects, with the end of its log, when it ends or is late. */
  static async start(options: ServiceOptions): Promise<ServiceProcess> {
    const [port, managementPort] = await freePorts(2);
    const service = new ServiceProcess(options, port!, managementPort!);
    const readyWithinMs = options.readyWithinMs ?? READY_WITHIN_MS;
    if (readyWithinMs > 0) {
      try {
        await service.ready(readyWithinMs);
      } catch (error) {
        await service.kill();
        throw error;
      }
    }
    return service;
  }

  /** Everything that it has written so far, standard output and error together. */
  get log(): string {
    return this.#log;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Resolves with the exit code when it ends; null when a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  /** Resolves when `/health/ready` says so. */
  async ready(withinMs = READY_WITHIN_MS): Promise<void> {
    const deadline = Date.now() + withinMs;
    for (let last = ''; ; await sleep(50)) {
      if (!this.running) throw new Error(`${this.name} ended before it was ready\n${this.#tail()}`);
      if (Date.now() > deadline)
        throw new Error(`${this.name} is not ready after ${withinMs} ms (${last})\n${this.#tail()}`);
      try {
        const answer = await fetch(`${this.managementUrl}/health/ready`, { signal: AbortSignal.timeout(3_000) });
        last = await answer.text();
        if (answer.ok) return;
      } catch (error) {
        last = String(error);
      }
    }
  }

  /** Asks it to end and waits; kills it when it has not ended in time. Gives the exit code, null when it had to be killed. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', withinMs = 12_000): Promise<number | null> {
    if (!this.running) return this.#exited;
    this.#child.kill(signal);
    const late = sleep(withinMs, 'late' as const, { ref: false });
    const code = await Promise.race([this.#exited, late]);
    if (code !== 'late') return code;
    await this.kill();
    return null;
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    if (this.running) this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** Sends any other signal, such as SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  #tail(): string {
    return this.#log.split('\n').slice(-40).join('\n');
  }
}

const children = new Set<ChildProcess>();
let watching = false;

/**
 * Kills a child when this process ends, so that a test which was cut short leaves nothing behind. vitest ends its workers
 * by SIGTERM, which is no `exit` for Node unless somebody listens.
 */
function killWithThisProcess(child: ChildProcess): void {
  children.add(child);
  child.once('exit', () => children.delete(child));
  if (watching) return;
  watching = true;
  const killAll = (): void => children.forEach((each) => each.kill('SIGKILL'));
  process.on('exit', killAll);
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.once(signal, () => {
      killAll();
      process.kill(process.pid, signal);
    });
  }
}

/** Ports that nobody listens on at the moment, held until all are found so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
