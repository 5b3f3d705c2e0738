import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ALL_TOPICS } from '@bongsu/contracts';
import { ALL_USERS, deadLetterTopics, rightsOf, type Right, type User } from '@bongsu/kafka';

const page = readFileSync(join(import.meta.dirname, '..', 'docs', 'secure.md'), 'utf8');

const WORDS: readonly [operation: string, word: string][] = [
  ['READ', 'read'],
  ['WRITE', 'write'],
  ['DELETE', 'delete'],
  ['DESCRIBE', 'see'],
];
const rights = rightsOf();

/** What the user may do with the thing itself; what he may do with all of its kind has a row of its own. */
const cell = (user: User, resource: Right['resource'], name: string): string => {
  const mine = rights.filter((right) => right.user === user && right.resource === resource && right.name === name);
  return WORDS.flatMap(([operation, word]) => (mine.some((right) => right.operation === operation) ? [word] : [])).join(
    ', ',
  );
};
const row = (label: string, resource: Right['resource'], name: string): string =>
  `| ${[label, ...ALL_USERS.map((user) => cell(user, resource, name))].join(' | ')} |`.replaceAll(/ +/g, ' ');

/** The table in docs/secure.md, row by row. Dead letters of a group are one row: what holds for one of its topics holds for all. */
function rows(): string[] {
  const letters = deadLetterTopics().map(({ name, group }) => ({
    group,
    line: row(`dead letters of \`${group}\``, 'topic', name),
  }));
  const groups = [
    ...new Set(rights.filter(({ resource, name }) => resource === 'group' && name !== '*').map(({ name }) => name)),
  ];
  return [
    ...ALL_TOPICS.map(({ name }) => row(`\`${name}\``, 'topic', name)),
    ...new Set(letters.map(({ line }) => line)),
    row('every topic', 'topic', '*'),
    ...groups.map((name) => row(`group \`${name}\``, 'group', name)),
    row('every group', 'group', '*'),
  ];
}

test('docs/secure.md says of each user what the code gives him', () => {
  const [, table = ''] = /<!-- rights:.*?-->([^]*?)<!-- end of rights -->/.exec(page) ?? [];
  // Prettier pads the cells.
  const written = table
    .split('\n')
    .filter((line) => line.startsWith('| ') && !/^\| (-|topic or group )/.test(line))
    .map((line) => line.replaceAll(/ +/g, ' '));
  expect(written).toEqual(rows());
});
