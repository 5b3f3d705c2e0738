import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AccessAdmin, ALL_USERS, rightsOf, SUPER_USERS, type FoundRight, type Right } from '@bongsu/kafka';
import { defineCommand, type CommandDef } from 'citty';
import { CommandFailure, EXIT, UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { table } from '../command-line/output.js';
import { confirmed } from '../topics/asking.js';
import { kafkaTarget, unreachable } from '../topics/kafka.js';

const list = leaf({
  name: 'list',
  description: 'Show what each Kafka user of secure mode may do, by the table of topics (asks no Kafka)',
  args: {},
  async run({ output }) {
    const rights = rightsOf(undefined, kafkaTarget().settings.KAFKA_TOPIC_PREFIX);
    output.result(rights, table([['USER', 'MAY', 'OF', 'NAME'], ...rows(rights)]));
    return EXIT.ok;
  },
});

const plan = leaf({
  name: 'plan',
  description: 'Compare what the users may do on the cluster with the table (Exit code: 0 the same, 1 not)',
  args: {},
  async run({ output }) {
    const found = await withAccess((admin) => admin.plan());
    output.result(shown(found), described(found.missing, found.beyond));
    return found.missing.length + found.beyond.length === 0 ? EXIT.ok : EXIT.failed;
  },
});

const apply = leaf({
  name: 'apply',
  description: 'Give the users what is missing of their rights, and their passwords; as a super user',
  args: {
    passwords: {
      type: 'string',
      valueHint: 'folder',
      description: 'Set the passwords of all users that have a file <user>.password there',
    },
    'take-beyond': { type: 'boolean', description: 'Take from them what the table does not give' },
    yes: { type: 'boolean', description: 'Do not ask' },
  },
  async run({ args, output }) {
    const passwords = args.passwords === undefined ? new Map<string, string>() : passwordsIn(args.passwords);
    return withAccess(async (admin) => {
      const found = await admin.plan();
      const users = [...passwords.keys()].join(', ');
      const intended = [described(found.missing, found.beyond), users && `Passwords: ${users}`]
        .filter(Boolean)
        .join('\n');
      if (!args.yes && !(await confirmed(intended, output))) {
        output.note('Nothing was changed.');
        return EXIT.failed;
      }
      // Rights first: a user that can log in and may not do its work yet would be told so, and give up.
      await admin.apply(found, { takeBeyond: args['take-beyond'] === true });
      if (passwords.size > 0) await admin.setPasswords(passwords);
      output.result({ ...shown(found), passwords: [...passwords.keys()] }, `${intended}\nDone.`);
      return EXIT.ok;
    });
  },
});

export const access = defineCommand({
  meta: { name: 'access', description: 'Kafka users of secure mode: their rights and passwords' },
  subCommands: { list, plan, apply },
}) as CommandDef;

async function withAccess<T>(work: (admin: AccessAdmin) => Promise<T>): Promise<T> {
  const target = kafkaTarget();
  const admin = new AccessAdmin(target);
  try {
    return await work(admin);
  } catch (cause) {
    if (cause instanceof CommandFailure || cause instanceof UsageError) throw cause;
    throw unreachable(target, cause);
  } finally {
    admin.close();
  }
}

/** The brokers' own password is not among them: they must know it before they start. */
function passwordsIn(folder: string): Map<string, string> {
  const passwords = new Map<string, string>();
  for (const user of [...ALL_USERS, ...SUPER_USERS.filter((each) => each !== 'bongsu-broker')]) {
    const file = join(folder, `${user}.password`);
    if (!existsSync(file)) continue;
    const password = readFileSync(file, 'utf8').trim();
    if (password === '') throw new UsageError(`${file} is empty`);
    passwords.set(user, password);
  }
  if (passwords.size === 0)
    throw new UsageError(`There is no <user>.password in ${folder}, of ${ALL_USERS.join(', ')}`);
  return passwords;
}

const shown = ({ missing, beyond }: { missing: readonly Right[]; beyond: readonly FoundRight[] }) => ({
  missing,
  beyond: beyond.map(({ user, resource, name, operation }) => ({ user, resource, name, operation })),
});

function described(missing: readonly Right[], beyond: readonly Right[]): string {
  if (missing.length + beyond.length === 0) return 'Each user may do what the table says, and nothing else.';
  return [
    ...(missing.length === 0 ? [] : ['Missing:', table(rows(missing))]),
    ...(beyond.length === 0 ? [] : ['Beyond the table (taken with --take-beyond):', table(rows(beyond))]),
  ].join('\n');
}

/** One line for what a user may do of a thing. */
function rows(rights: readonly Right[]): string[][] {
  const merged = Map.groupBy(rights, ({ user, resource, name }) => [user, resource, name].join(' '));
  return [...merged.values()].map(([first, ...more]) => {
    const { user, resource, name } = first!;
    return [user, [first!, ...more].map(({ operation }) => operation).join(', '), resource, name];
  });
}
