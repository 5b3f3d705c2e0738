import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';

const CLI = join(import.meta.dirname, '..', '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');

async function topics(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [CLI, 'topics', ...args], {
    env: {
      PATH: process.env['PATH'],
      KAFKA_BROKERS: inject('bongsu').kafkaBrokers,
      KAFKA_TOPIC_PREFIX: `reassign-${randomBytes(3).toString('hex')}.`,
    },
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, stdout, stderr };
}

/** Against the run's one broker. What several do is tested in test/integration/cluster. */
const reassign = (...args: string[]) => topics('reassign', ...args);

describe('topics reassign', () => {
  it('has nothing to move where there is one broker, and asks nobody then', async () => {
    expect(await reassign()).toEqual({ code: 0, stdout: 'Nothing has to move.\n', stderr: '' });
    expect(await reassign('--dry-run', '--json')).toMatchObject({ code: 0, stdout: '[]\n' });
  });

  it('says which brokers there are, and that more are needed', async () => {
    const strangers = await reassign('--brokers', '1,7', '--yes');
    expect(strangers).toMatchObject({ code: 1, stdout: '' });
    expect(strangers.stderr).toContain('broker 7 is not up: there are 1');
    await topics('apply', '--yes');
    const more = await reassign('--replicas', '2', '--yes');
    expect(more.code).toBe(1);
    expect(more.stderr).toMatch(/has 2 replicas, and there are 1 brokers/);
  });

  it.each([
    ['--brokers', 'one'],
    ['--replicas', '0'],
    ['--at-once', '0'],
    ['--wait', 'soon'],
    ['--rack', 'a'],
  ])('refuses %s %s', async (...args) => {
    expect((await reassign(...args)).code).toBe(2);
  });
});
