import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { parseOptions, replay } from './options.js';
import { isWell, writeReport, type Line } from './report.js';

const result = {
  accepted: 20_000,
  lost: 0,
  duplicated: 3,
  reordered: 0,
  problems: [],
  recoveredAfter: 1.23,
  mayRepeat: 64,
};
const lines: Line[] = [
  { number: 8, title: 'killed', seed: 7, outcome: result },
  { number: 12, title: 'killed | too', seed: 7, outcome: { ...result, lost: 2, problems: ['2 are not in the log'] } },
  { number: 20, title: 'tests', seed: undefined, outcome: { tests: 4, failing: [] } },
];
const options = parseOptions(['--seed', '7', '--notifications', '20000', '--rate', '800']);

it('puts the results between the markers, with the commit, what differs and what was not run', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'bongsu-report-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'page.md');
  await writeFile(file, '# Page\n\n<!-- results -->\n\nold\n\n<!-- end of results -->\n\nmore\n');
  for (let time = 0; time < 2; time++)
    await writeReport(file, lines, { ...options, origin: 'Commit abc', minutes: 49.6 });
  const text = await readFile(file, 'utf8');
  expect(text).not.toContain('old');
  expect(text).toMatch(/^# Page\n\n<!-- results -->\n\nCommit abc, .* seed 7; 50 minutes in all\.\n/s);
  expect(text).toContain('`DISPATCH_CONCURRENCY=64`');
  expect(text).toContain('- 5: Kafka is down for 40 to 60 s instead of 5 min');
  expect(text).toMatch(/\| +8 \| killed +\| +7 \| +20000 \| +0 \| +3 \(64\) \| +0 \| +1\.2 s \| well +\|/);
  expect(text).toContain('**failed**: 2 are not in the log');
  expect(text).toMatch(/\| +20 \| tests .* well \(4 tests\)/);
  expect(text).toContain('Not run: 1, 2, 3,');
  expect(text.endsWith('<!-- end of results -->\n\nmore\n')).toBe(true);
  expect(lines.map(isWell)).toEqual([true, false, true]);
});

it('prints the whole command that runs a fault again', () => {
  expect(replay(12, 7, options)).toBe('npm run test:faults -- --only 12 --seed 7 --notifications 20000 --rate 800');
});
