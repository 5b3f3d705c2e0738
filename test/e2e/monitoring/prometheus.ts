import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts, waitUntil } from '@bongsu/testing';
import { debianProgram } from '../../../tools/check/debian-program.ts';

export const ROOT = join(import.meta.dirname, '..', '..', '..');
const CACHE = join(ROOT, 'node_modules', '.cache', 'debian');
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** The two programs, of Debian's packages; what cannot be had is named in `missing`. */
export async function findPrograms(): Promise<{ prometheus: string; exporter: string; missing: string[] }> {
  const [prometheus, exporter] = await Promise.all([
    debianProgram('prometheus', 'prometheus', CACHE),
    debianProgram('prometheus-postgres-exporter', 'prometheus-postgres-exporter', CACHE),
  ]);
  const missing = [
    ...(prometheus === undefined ? ['prometheus'] : []),
    ...(exporter === undefined ? ['prometheus-postgres-exporter'] : []),
  ];
  return { prometheus: prometheus ?? '', exporter: exporter ?? '', missing };
}

/** A program of the test's that writes into a file of its own and is killed with the test. */
export class Program {
  readonly #child: ChildProcess;
  #log = '';

  constructor(program: string, args: readonly string[], env: Record<string, string> = {}) {
    this.#child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this.#child);
    this.#child.once('exit', () => running.delete(this.#child));
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
  }

  /** @throws with the end of its log */
  async ready(url: string): Promise<void> {
    try {
      await waitUntil(`${url} answers`, async () => (await fetch(url)).ok, { timeoutMs: 30_000 });
    } catch (cause) {
      throw new Error(`it did not start\n${this.#log.slice(-3_000)}`, { cause });
    }
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

/** Postgres' exporter with the flags that compose has, as far as Debian's version knows them. Gives its `host:port`. */
export async function startExporter(
  program: string,
  database: { port: number; name: string; password: string },
): Promise<{ exporter: Program; target: string }> {
  const [port] = (await freePorts(1)) as [number];
  const target = `127.0.0.1:${port}`;
  const exporter = new Program(
    program,
    [
      '--disable-default-metrics',
      '--disable-settings-metrics',
      `--extend.query-path=${join(ROOT, 'infra', 'postgres', 'exporter.yml')}`,
      '--no-collector.database',
      `--web.listen-address=${target}`,
    ],
    {
      DATA_SOURCE_URI: `127.0.0.1:${database.port}/${database.name}?sslmode=disable`,
      DATA_SOURCE_USER: 'bongsu_monitor',
      DATA_SOURCE_PASS: database.password,
    },
  );
  await exporter.ready(`http://${target}/`);
  return { exporter, target };
}

/** Prometheus with our configuration and rules; only the targets and how often it looks are others. */
export class Prometheus {
  readonly url: string;
  readonly #program: Program;

  private constructor(url: string, program: Program) {
    this.url = url;
    this.#program = program;
  }

  /** @param targets `host:port` by job */
  static async start(program: string, folder: string, targets: Readonly<Record<string, string>>): Promise<Prometheus> {
    const [port] = (await freePorts(1)) as [number];
    const url = `http://127.0.0.1:${port}`;
    await mkdir(join(folder, 'targets'), { recursive: true });
    await cp(join(ROOT, 'infra', 'prometheus', 'rules'), join(folder, 'rules'), { recursive: true });
    for (const [job, target] of Object.entries(targets))
      await writeFile(join(folder, 'targets', `${job}.json`), JSON.stringify([{ targets: [target] }]));
    const ours = await readFile(join(ROOT, 'infra', 'prometheus', 'prometheus.yml'), 'utf8');
    const configuration = ours
      .replaceAll('/etc/prometheus-targets', join(folder, 'targets'))
      .replace(/scrape_interval: \w+/, 'scrape_interval: 1s')
      .replace(/scrape_timeout: \w+/, 'scrape_timeout: 1s')
      .replace(/evaluation_interval: \w+/, 'evaluation_interval: 1s');
    await writeFile(join(folder, 'prometheus.yml'), configuration);
    const child = new Program(
      program,
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
        `--web.user-assets=${join(ROOT, 'docs')}`,
        // What Prometheus 3 does by itself.
        '--enable-feature=expand-external-labels',
      ],
      { RUNBOOK_URL: `${url}/user/runbook.md` },
    );
    await child.ready(`${url}/-/ready`);
    return new Prometheus(url, child);
  }

  async api<T>(path: string): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/${path}`);
    const { status, data, error } = (await answer.json()) as { status: string; data: T; error?: string };
    if (status !== 'success') throw new Error(error);
    return data;
  }

  /** The values that an expression has now; those that are no number (a rate of nothing by nothing) are left out. */
  async query(expression: string): Promise<number[]> {
    const { result } = await this.api<{ result: { value: [number, string] }[] }>(
      `query?query=${encodeURIComponent(expression)}`,
    );
    return result.map(({ value: [, value] }) => Number(value)).filter((value) => !Number.isNaN(value));
  }

  stop(): Promise<void> {
    return this.#program.stop();
  }
}

export interface PanelQuery {
  readonly dashboard: string;
  readonly panel: string;
  readonly expression: string;
}

/** Every query of every panel; Grafana's interval is one that holds some scrapes of the test's. */
export function panelQueries(): PanelQuery[] {
  return globSync('infra/grafana/dashboards/*.json', { cwd: ROOT }).flatMap((file) => {
    const { title, panels } = JSON.parse(readFileSync(join(ROOT, file), 'utf8')) as {
      title: string;
      panels: { title: string; targets: { expr: string }[] }[];
    };
    return panels.flatMap((panel) =>
      panel.targets.map(({ expr }) => ({
        dashboard: title,
        panel: panel.title,
        expression: expr.replaceAll('$__rate_interval', '20s'),
      })),
    );
  });
}
