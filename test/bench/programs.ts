import { fork, type ChildProcess } from 'node:child_process';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..');
const ARMS = join(import.meta.dirname, 'arms');
const OUTPUT = join(ARMS, 'dist');

/** Makes JavaScript of the arms' programs, which have decorators and import the system's own code. */
export async function buildPrograms(): Promise<void> {
  const { transpile } = await import('../../tools/build/transpile.ts');
  const sources = (await readdir(join(ARMS, 'src'), { recursive: true }))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(ARMS, 'src', name));
  await rm(OUTPUT, { recursive: true, force: true });
  await transpile({ root: ROOT, tsconfig: join(ROOT, 'tsconfig.json'), sources, output: OUTPUT });
  await writeFile(join(OUTPUT, 'package.json'), '{"type":"module"}\n');
}

/** The built file of a program of `arms/src`. */
export const programFile = (name: string): string => join(OUTPUT, 'test', 'bench', 'arms', 'src', `${name}.js`);

/** A process that is spoken to by messages: `{ do: …, … }` one way, `{ <what>: … }` the other. */
export class Program {
  readonly child: ChildProcess;
  readonly #name: string;

  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.child = child;
    children.add(child);
    child.once('exit', () => children.delete(child));
  }

  get pid(): number {
    return this.child.pid!;
  }

  say(message: object): void {
    this.child.send(message);
  }

  /**
   * Resolves with the next message that holds `what`.
   * @throws when the program ends before, or after `seconds`
   */
  hear<T>(what: string, seconds = 120): Promise<T> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        if (typeof message !== 'object' || message === null || !(what in message)) return;
        stop();
        resolve((message as Record<string, T>)[what]!);
      };
      const fail = (why: string) => (): void => {
        stop();
        reject(new Error(`${this.#name} ${why} while "${what}" was waited for`));
      };
      const onExit = fail('ended');
      const timer = setTimeout(fail(`said nothing for ${seconds} s`), seconds * 1000);
      const stop = (): void => {
        clearTimeout(timer);
        this.child.off('message', onMessage).off('exit', onExit);
      };
      if (this.child.exitCode !== null) onExit();
      else this.child.on('message', onMessage).once('exit', onExit);
    });
  }

  /** Says something and waits for the answer. */
  async ask<T>(message: object, what: string, seconds?: number): Promise<T> {
    const heard = this.hear<T>(what, seconds);
    this.say(message);
    return await heard;
  }

  /** Says something and resolves with what the program tells when it begins what was asked, and when it has done it. */
  async begin<T>(message: object): Promise<{ done: Promise<T> }> {
    const done = this.hear<T>('done', 300);
    const begun = this.hear('begun', 60);
    this.say(message);
    await Promise.race([begun, done]);
    return { done };
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill(signal);
    await gone;
  }
}

const children = new Set<ChildProcess>();

/** At once: at the end, and before servers end that the programs would otherwise complain about. */
export function killPrograms(): void {
  for (const child of children) child.kill('SIGKILL');
}
process.once('exit', killPrograms);

/** Starts a program of the arms and waits until it says that it is ready. */
export async function startProgram(name: string, env: Readonly<Record<string, string>>): Promise<Program> {
  return await startFile(name, programFile(name), env);
}

/** The same for a file that Node runs as it is. */
export async function startFile(name: string, file: string, env: Readonly<Record<string, string>>): Promise<Program> {
  const child = fork(file, {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const program = new Program(name, child);
  await program.hear('ready', 60);
  return program;
}
