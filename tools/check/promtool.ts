import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Job, Outcome } from './jobs.ts';

const run = promisify(execFile);

/**
 * Alert rules against their cases, and Prometheus' configuration, with Prometheus' own promtool. Where there is none on the
 * PATH it is taken out of Debian's package, without installing that; where there is no such package either, the check says
 * that it was not made. CI installs the package, so there it always is.
 */
export function alertRules(root: string): Job {
  return {
    name: 'alert rules',
    run: async () => {
      const promtool = await findPromtool(join(root, 'node_modules', '.cache', 'promtool'));
      if (promtool === undefined) {
        return process.env['CI']
          ? { ok: false, output: 'promtool is missing: install the package prometheus' }
          : { ok: true, output: '', note: 'not made: promtool is missing (package prometheus)' };
      }
      const rules = globSync('infra/prometheus/rules/*.yml', { cwd: root });
      const cases = globSync('infra/prometheus/tests/*.yml', { cwd: root });
      for (const args of [
        ['check', 'rules', ...rules],
        ['test', 'rules', ...cases],
        ['check', 'config', '--syntax-only', 'infra/prometheus/prometheus.yml'],
      ]) {
        const outcome = await attempt(promtool, args, root);
        if (!outcome.ok) return outcome;
      }
      return { ok: true, output: '' };
    },
  };
}

async function attempt(promtool: string, args: readonly string[], cwd: string): Promise<Outcome> {
  try {
    await run(promtool, args, { cwd });
    return { ok: true, output: '' };
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    return { ok: false, output: `promtool ${args.slice(0, 2).join(' ')}\n${stdout}${stderr}`.trim() };
  }
}

function works(program: string): Promise<boolean> {
  return run(program, ['--version']).then(
    () => true,
    () => false,
  );
}

async function findPromtool(cache: string): Promise<string | undefined> {
  if (await works('promtool')) return 'promtool';
  const cached = join(cache, 'usr', 'bin', 'promtool');
  if (await works(cached)) return cached;
  await mkdir(join(cache, '..'), { recursive: true });
  const aside = await mkdtemp(`${cache}-`);
  try {
    await run('apt-get', ['download', '-q', 'prometheus'], { cwd: aside });
    const file = (await readdir(aside)).find((name) => name.endsWith('.deb'));
    if (file === undefined) return undefined;
    await run('dpkg-deb', ['-x', file, join(aside, 'content')], { cwd: aside });
    if (!(await works(join(aside, 'content', 'usr', 'bin', 'promtool')))) return undefined;
    await rename(join(aside, 'content'), cache);
    return cached;
  } catch {
    return undefined;
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
