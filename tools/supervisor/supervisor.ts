import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { resolveConnectJars, resolveJars } from '../stack/jars.ts';
import { createServiceDatabase, SERVICES, setSuperuserPassword, throughSocket } from '../stack/postgres-database.ts';
import { AlreadyRunning, endOrphans, lockHome, logFileOf, prepareHome, type HomeLock } from './home.ts';
import { LogFile } from './log-file.ts';
import { Part, type PartDefinition } from './part.ts';
import { bootstrapOf, connectPart, javaParts, mailCatcherPart, postgresPart, servicePart } from './parts.ts';
import { missingPrograms, takenPorts } from './preflight.ts';
import type { Screen } from './screen.ts';
import { loadSecrets, type Secrets } from './secrets.ts';
import type { StackSettings } from './stack-settings.ts';

const ROOT = join(import.meta.dirname, '..', '..');

/** Milliseconds that parts get to end in order, by step; together less than the 15 s in which everything must be gone. */
const GRACE = { services: 6_000, servers: 3_500, zooKeeper: 1_500 } as const;

/** Milliseconds in which a stack that is being stopped is gone. */
const LONGEST_STOP = 16_000;

/** What keeps the stack from starting, each a sentence for the person who starts it. */
export class CannotStart extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.problems = problems;
  }
}

/** The local stack: brings every part up in the right order, keeps it up, and takes it down again. */
export class Supervisor {
  private readonly settings: StackSettings;
  private readonly screen: Screen;
  private readonly parts = new Map<string, Part>();
  private readonly stopping = new AbortController();
  private lock: HomeLock | undefined;

  constructor(settings: StackSettings, screen: Screen) {
    this.settings = settings;
    this.screen = screen;
  }

  /**
   * Resolves when every part is ready.
   * @throws CannotStart, AlreadyRunning, or what a part says that does not start
   */
  async start(settingsProblems: readonly string[]): Promise<Secrets> {
    const { home, keysHome, uses } = this.settings;
    if (home !== keysHome) await prepareHome(keysHome);
    await prepareHome(home);
    this.lock = await this.takeLock();
    const orphans = await endOrphans(home);
    if (orphans.length > 0) this.screen.say(`ended what an earlier run had left: ${orphans.join(', ')}`);
    const problems = [
      ...settingsProblems,
      ...(await missingPrograms()),
      ...(settingsProblems.length > 0 ? [] : await takenPorts(uses)),
    ];
    if (problems.length > 0) throw new CannotStart(problems);
    const secrets = await loadSecrets(this.settings);
    await Promise.all([this.build(), this.startServers()]);
    await this.applyTopics();
    await Promise.all([
      ...SERVICES.map((service) =>
        this.startPart(servicePart(service, this.settings, secrets), this.settings.showServices),
      ),
      this.startConnect(),
    ]);
    return secrets;
  }

  /** Ends everything: the services first, then what they use. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.lock?.announceStop();
    const services: readonly string[] = [...SERVICES, 'connect'];
    const zooKeepers = [...this.parts.keys()].filter((name) => name.startsWith('zookeeper'));
    const servers = [...this.parts.keys()].filter((name) => !services.includes(name) && !zooKeepers.includes(name));
    await this.stopParts(services, GRACE.services);
    await this.stopParts(servers, GRACE.servers);
    // Last: Kafka signs off there.
    await this.stopParts(zooKeepers, GRACE.zooKeeper);
    this.lock?.release();
  }

  /** Ends everything at once, without waiting. */
  kill(): void {
    this.stopping.abort();
    for (const part of this.parts.values()) part.kill();
    this.lock?.release();
  }

  /** A stop and a start in quick succession: the one that is stopping is waited for, one that runs is not. */
  private async takeLock(): Promise<HomeLock> {
    for (let waited = 0; ; waited += 250) {
      try {
        return lockHome(this.settings.home);
      } catch (error) {
        if (!(error instanceof AlreadyRunning) || !error.stopping || waited >= LONGEST_STOP) throw error;
        if (waited === 0) this.screen.say(`waiting for the stack that is stopping (process ${error.pid})`);
        await delay(250, undefined, { signal: this.stopping.signal });
      }
    }
  }

  private async startServers(): Promise<void> {
    const { settings } = this;
    const javaServers = async (): Promise<void> => {
      const jars = await resolveJars((line) => this.screen.say(line));
      // Side by side: Kafka waits for ZooKeeper by itself while its Java starts up.
      await Promise.all((await javaParts(settings, jars)).map((part) => this.startPart(part)));
    };
    await Promise.all([javaServers(), this.startPostgres(), this.startPart(mailCatcherPart(settings))]);
  }

  private async startPostgres(): Promise<void> {
    const { ports, postgresPassword, rolePasswords } = this.settings;
    const part = await postgresPart(this.settings);
    await this.startPart(part);
    await throughSocket(part.socketFolder, ports.POSTGRES_PORT, async (superuser) => {
      await setSuperuserPassword(superuser, postgresPassword);
      await createServiceDatabase(superuser, 'bongsu', rolePasswords);
    });
  }

  private async startConnect(): Promise<void> {
    const { connect } = this.settings;
    if (connect === undefined) return;
    const classpath = await resolveConnectJars((line) => this.screen.say(line));
    await this.startPart(await connectPart(this.settings, connect, classpath));
  }

  private async startPart(definition: PartDefinition, everything = this.settings.verbose): Promise<void> {
    if (this.stopping.signal.aborted) throw new Error('stopped');
    const { name } = definition.spec;
    const log = new LogFile(logFileOf(this.settings.home, name));
    const part = new Part(definition, { log, screen: this.screen, everything });
    this.parts.set(name, part);
    await part.start();
  }

  /** In a process of its own: TypeScript would stay in our memory for as long as the stack runs. */
  private async build(): Promise<void> {
    const said = await this.run('build', [join(ROOT, 'tools', 'build.ts')], {});
    this.screen.say(said.trim());
  }

  private async applyTopics(): Promise<void> {
    const began = performance.now();
    const { brokers } = this.settings;
    const cli = join(ROOT, 'apps', 'cli', 'bin', 'bongsu.js');
    const said = await this.run('topics', [cli, 'topics', 'apply', '--yes'], {
      KAFKA_BROKERS: bootstrapOf(this.settings),
      // What the environment says is for other clusters; here it follows from how many brokers there are.
      KAFKA_REPLICATION_FACTOR: String(Math.min(brokers.length, 3)),
    });
    new LogFile(logFileOf(this.settings.home, 'topics')).write(said);
    this.screen.say(`topics are as declared (${((performance.now() - began) / 1_000).toFixed(1)} s)`);
  }

  private async run(what: string, args: readonly string[], env: Record<string, string>): Promise<string> {
    try {
      const { stdout } = await promisify(execFile)(process.execPath, args, {
        cwd: ROOT,
        env: { ...process.env, ...env },
        signal: this.stopping.signal,
        timeout: 120_000,
        maxBuffer: 16 << 20,
      });
      return stdout;
    } catch (cause) {
      const output =
        cause instanceof Error && 'stderr' in cause && 'stdout' in cause
          ? `${String(cause.stdout)}${String(cause.stderr)}`
          : '';
      throw new Error(`${what} failed\n${output.trim() || String(cause)}`, { cause });
    }
  }

  private async stopParts(names: readonly string[], graceMs: number): Promise<void> {
    await Promise.all(names.map(async (name) => this.parts.get(name)?.stop(graceMs)));
  }
}
