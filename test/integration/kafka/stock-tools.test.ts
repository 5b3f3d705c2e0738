import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, inject, it } from 'vitest';
import { stockTool } from '../../../tools/kafka/stock-tools.ts';

const root = join(import.meta.dirname, '..', '..', '..');
const page = readFileSync(join(root, 'docs', 'kafka.md'), 'utf8');
const lines = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'));

/** Runs a line of the page as a reader would, with the tool behind `npm run -s kafka --`. */
async function run(line: string): Promise<string> {
  const command = line.replace(/(^|\| )(kafka-[a-z-]+)/, `$1"${process.execPath}" tools/kafka.ts $2`);
  const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
    cwd: root,
    env: { ...process.env, KAFKA_PORT: String(inject('bongsu').ports.kafka) },
    timeout: 60_000,
  });
  return stdout;
}

describe('docs/kafka.md', () => {
  it('does what it says, line by line', { timeout: 300_000 }, async () => {
    const said = new Map<string, string>();
    for (const line of lines) said.set(line, await run(line).catch((error: unknown) => `FAILED: ${String(error)}`));
    expect([...said].filter(([, output]) => /^FAILED|^Error/m.test(output))).toEqual([]);
    const saidOf = (words: string): string => [...said].find(([line]) => line.includes(words))?.[1] ?? '';
    expect(saidOf('--describe --topic demo')).toContain('PartitionCount: 4');
    expect(saidOf('print.offset').match(/user-1\t(first|third)/g)).toEqual(['user-1\tfirst', 'user-1\tthird']);
    expect(saidOf('--describe --group demo-readers')).toMatch(/demo-readers\s+demo/);
    expect(saidOf('--to-earliest --execute')).toMatch(/demo\s+\d\s+0/);
    expect(saidOf('--describe --all')).toContain('retention.ms=604800000');
    expect(lines.length).toBeGreaterThan(25);
  });
});

it('speaks to the local stack unless it is told otherwise', () => {
  expect(stockTool(['kafka-topics.sh', '--list'], 'here:1')?.args).toEqual(['--bootstrap-server', 'here:1', '--list']);
  expect(stockTool(['kafka-topics', '--bootstrap-server', 'b:2'], 'here:1')?.args).toEqual([
    '--bootstrap-server',
    'b:2',
  ]);
  expect(stockTool(['kafka-dump-log', '--files', 'x'], 'here:1')?.args).toEqual(['--files', 'x']);
  expect(stockTool(['rm'], 'here:1')).toBeUndefined();
});
