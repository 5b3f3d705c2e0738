import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { helmChart } from './chart.ts';
import { contractCompatibility } from './contracts.ts';
import { alertRules } from './promtool.ts';
import { lockProblems, looseVersions, nestedPackages, readManifests, undeclaredLibraries } from './manifests.ts';
import { longFiles, traces } from './sources.ts';

export interface Outcome {
  readonly ok: boolean;
  /** What the user has to read when it is not. */
  readonly output: string;
  /** What the user should know although it is well. */
  readonly note?: string;
}

export interface Job {
  readonly name: string;
  /** What mends it, when a command can. */
  readonly remedy?: string;
  run(): Promise<Outcome>;
}

/** All checks, the slowest first, so that none is left running alone at the end. */
export function checks(root: string): Job[] {
  const bin = join(root, 'node_modules', '.bin');
  const cache = join(root, 'node_modules', '.cache', 'check');
  mkdirSync(cache, { recursive: true });
  const command = (name: string, program: string, args: readonly string[], remedy?: string): Job => ({
    name,
    ...(remedy === undefined ? {} : { remedy }),
    run: () => execute(join(bin, program), args, root, bin),
  });
  const types = (project: string, name: string): Job =>
    command(name, 'tsc', [
      '--noEmit',
      '--pretty',
      'false',
      '--incremental',
      '--tsBuildInfoFile',
      join(cache, `${name.replaceAll(' ', '-')}.json`),
      '-p',
      project,
    ]);
  const prettier = ['--check', '--log-level=warn', '--cache', '--cache-strategy=content'];
  return [
    types('.', 'types'),
    command('lint', 'oxlint', ['--deny-warnings', '--format=unix'], 'npx oxlint --fix'),
    command('format', 'prettier', [...prettier, `--cache-location=${join(cache, 'prettier')}`, '.'], 'npm run format'),
    types('tools', 'types of tools'),
    command('dead code', 'knip', ['--no-progress', '--no-config-hints']),
    command('imports', 'depcruise', ['--config', '.dependency-cruiser.cjs', '--output-type', 'err', ...FOLDERS]),
    alertRules(root),
    helmChart(root),
    contractCompatibility(root),
    { name: 'repository', run: async () => repository(root) },
  ];
}

const FOLDERS = ['apps', 'libs', 'tools', 'test'];

function repository(root: string): Outcome {
  const manifests = readManifests(root);
  const files = listFiles(root);
  const problems = [
    ...nestedPackages(root),
    ...looseVersions(manifests),
    ...undeclaredLibraries(root, manifests),
    ...lockProblems(root),
    ...longFiles(root, files),
    ...traces(root, files),
  ];
  return { ok: problems.length === 0, output: problems.join('\n') };
}

/** What is in the repository or would be with the next `git add`; a file that was deleted is still listed until then. */
function listFiles(root: string): string[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root });
  return listed
    .toString('utf8')
    .split('\0')
    .filter((file) => file !== '' && existsSync(join(root, file)));
}

function execute(program: string, args: readonly string[], cwd: string, bin: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = {
      ...process.env,
      PATH: `${bin}${delimiter}${process.env['PATH'] ?? ''}`,
      NO_COLOR: '1',
      FORCE_COLOR: '0',
    };
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.once('error', (error) => resolve({ ok: false, output: `${program} did not start: ${error.message}` }));
    child.once('close', (code) => resolve({ ok: code === 0, output: Buffer.concat(chunks).toString('utf8').trim() }));
  });
}
