import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, signal as sendSignal, type ProcessIdentity } from '../stack/process-identity.ts';
import { end as endProcess, startProcess, type ProcessSpec } from '../stack/process.ts';
import { until } from '../stack/until.ts';
import type { LogFile } from './log-file.ts';
import { LineSplitter, worthShowing, type LogFormat } from './log-lines.ts';
import { RestartPolicy } from './restart-policy.ts';
import type { Screen } from './screen.ts';

/** A process that the supervisor keeps running. */
export interface PartDefinition {
  readonly spec: ProcessSpec;
  readonly format: LogFormat;
  /** What must be done before every start, the first and each restart. */
  readonly before?: (signal: AbortSignal) => Promise<unknown>;
  /** Whether it does its work; a rejection counts as no. */
  readonly isReady: () => Promise<boolean>;
}

interface PartOutputs {
  readonly log: LogFile;
  readonly screen: Screen;
  /** Show every line. */
  readonly everything: boolean;
}

/** How long, milliseconds, a part may take until it is ready for the first time. */
const FIRST_START_TIMEOUT = 90_000;
const LAST_LINES = 25;

/** One part: started, watched, started again when it ends for whatever reason, until it is stopped. */
export class Part {
  readonly name: string;
  private readonly definition: PartDefinition;
  private readonly outputs: PartOutputs;
  private readonly policy = new RestartPolicy();
  private readonly stopping = new AbortController();
  private readonly lastLines: string[] = [];
  private running: Promise<void> | undefined;
  /** Known here too: the pid file goes with a home that somebody deletes under us. */
  private process: ProcessIdentity | undefined;

  constructor(definition: PartDefinition, outputs: PartOutputs) {
    this.name = definition.spec.name;
    this.definition = definition;
    this.outputs = outputs;
  }

  /**
   * Starts it; resolves when it is ready for the first time, and from then on it is kept running.
   * @throws when it does not become ready, with the last lines of its log
   */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.running = this.keepRunning(resolve).catch((error: unknown) => {
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  /** Ends it, in order at first, by force after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.stopping.abort();
    if (this.process) await endProcess(this.process, { ...this.definition.spec, graceMs });
    await this.running;
  }

  /** Ends it at once, without waiting. */
  kill(): void {
    this.stopping.abort();
    if (this.process) sendSignal(this.process, this.definition.spec.killSignal);
  }

  private async keepRunning(firstReady: () => void): Promise<void> {
    const { screen } = this.outputs;
    const { signal } = this.stopping;
    for (let starts = 1; !signal.aborted; starts += 1) {
      const end = await this.runOnce(starts, firstReady);
      if (signal.aborted) return;
      const wait = this.policy.ended();
      if (wait === 'give up') throw new Error(`${this.name} does not start: ${end}\n${this.lastLines.join('\n')}`);
      screen.complain(`${this.name} ${end}; starting it again${wait < 1_000 ? '' : ` in ${wait / 1_000} s`}`);
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One life of the process; says in words how it ended. */
  private async runOnce(starts: number, firstReady: () => void): Promise<string> {
    const { spec, before } = this.definition;
    const began = performance.now();
    this.lastLines.length = 0;
    await before?.(this.stopping.signal);
    if (this.stopping.signal.aborted) return 'was stopped';
    const child = await startProcess(spec, 'pipe').catch((error: unknown) => error as Error);
    if (child instanceof Error)
      return `cannot be run: ${child.cause instanceof Error ? child.cause.message : child.message}`;
    this.process = child.pid === undefined ? undefined : identify(child.pid);
    const ended = new AbortController();
    const end = new Promise<string>((resolve) => {
      child.once('exit', (code, signal) => {
        ended.abort();
        resolve(signal ? `was killed by ${signal}` : `ended with code ${code}`);
      });
    });
    this.listenTo(child);
    // A stop that came while the process was being started did not find it.
    if (this.stopping.signal.aborted && this.process) sendSignal(this.process, spec.killSignal);
    const timeoutMs = starts === 1 ? FIRST_START_TIMEOUT : Number.POSITIVE_INFINITY;
    const ready = await until(this.definition.isReady, { timeoutMs, everyMs: 50, signal: ended.signal });
    if (ready && !ended.signal.aborted) {
      this.policy.ready();
      const seconds = ((performance.now() - began) / 1_000).toFixed(1);
      this.outputs.screen.say(`${this.name} is ready${starts > 1 ? ' again' : ''} (${seconds} s)`);
      firstReady();
    } else if (!ended.signal.aborted) {
      throw new Error(`${this.name} is not ready after ${FIRST_START_TIMEOUT / 1_000} s\n${this.lastLines.join('\n')}`);
    }
    const how = await end;
    rmSync(spec.pidFile, { force: true });
    return how;
  }

  private listenTo(child: ChildProcess): void {
    const { log, screen, everything } = this.outputs;
    for (const stream of [child.stdout, child.stderr]) {
      const lines = new LineSplitter((line) => {
        this.lastLines.push(line);
        if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
        // While everything is being stopped, parts complain about each other's absence.
        if (everything) screen.plain(`${this.name.padEnd(12)} │ ${line}`);
        else if (!this.stopping.signal.aborted) {
          const shown = worthShowing(this.definition.format, line);
          if (shown !== undefined) screen.part(this.name, shown);
        }
      });
      stream?.on('data', (chunk: Buffer) => {
        log.write(chunk);
        lines.push(chunk);
      });
    }
  }
}
