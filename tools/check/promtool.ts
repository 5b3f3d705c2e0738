import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { debianProgram } from './debian-program.ts';
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
      const promtool = await debianProgram('promtool', 'prometheus', join(root, 'node_modules', '.cache', 'debian'));
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
