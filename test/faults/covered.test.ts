import { expect, it } from 'vitest';
import { coverage } from './covered.js';

const file = (name: string, ...statuses: string[]) => ({
  name: `/somewhere/${name}`,
  status: statuses.includes('failed') ? ('failed' as const) : ('passed' as const),
  assertionResults: statuses.map((status) => ({ status })),
});

it('counts the tests of files and folders', () => {
  const files = [file('libs/verify/one.test.ts', 'passed'), file('test/two.test.ts', 'passed', 'passed')];
  expect(coverage(['libs/verify', 'test/two.test.ts'], files)).toEqual({ tests: 3, failing: [] });
});

it.each([
  ['failed', [file('test/two.test.ts', 'passed', 'failed')]],
  ['was left out', [file('test/two.test.ts', 'passed', 'skipped')]],
  ['has no test', [file('test/two.test.ts')]],
  ['was not run', [file('test/one.test.ts', 'passed')]],
])('names a file that %s', (_, files) => {
  expect(coverage(['test/two.test.ts'], files).failing).toEqual(['test/two.test.ts']);
});
