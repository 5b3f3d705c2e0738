import { describeChange, type TopicDescription, type TopicPlan } from '@bongsu/kafka';
import { defineCommand, type CommandDef } from 'citty';
import { EXIT } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { table } from '../command-line/output.js';
import { confirmed, waitOf } from './asking.js';
import { kafkaTarget, withKafka, withKafkaPatiently } from './kafka.js';
import { reassign } from './reassign.js';

const plan = leaf({
  name: 'plan',
  description: 'Show what "topics apply" would change (Exit code: 0 nothing, 1 something)',
  args: {},
  async run({ output }) {
    const target = kafkaTarget();
    const found = await withKafka(target, (admin) => admin.plan(target.overrides));
    output.result(found, described(found));
    return found.changes.length === 0 ? EXIT.ok : EXIT.failed;
  },
});

const apply = leaf({
  name: 'apply',
  description: 'Create the topics and bring them to what is declared; never deletes anything',
  args: {
    yes: { type: 'boolean', description: 'Do not ask' },
    wait: {
      type: 'string',
      valueHint: 'duration',
      default: '60s',
      description: 'How long to wait for Kafka, such as 0s or 5m',
    },
  },
  async run({ args, output }) {
    const target = kafkaTarget();
    const patience = waitOf(args.wait);
    const say = (reason: string): void => output.note(`${reason}\nWaiting for it, ${args.wait} at most …`);
    const intended = await withKafkaPatiently(target, patience, say, (admin) => admin.plan(target.overrides));
    if (intended.changes.length > 0 && !args.yes && !(await confirmed(described(intended), output))) {
      output.note('Nothing was changed.');
      return EXIT.failed;
    }
    // Planned anew at each try: one that failed half way has done something, and so may another replica of this command.
    const done = await withKafkaPatiently(target, patience, say, async (admin) => {
      const current = await admin.plan(target.overrides);
      await admin.apply(current);
      return current;
    });
    output.result({ applied: done.changes, notes: done.notes }, described(done, 'Done:'));
    return EXIT.ok;
  },
});

const describe = leaf({
  name: 'describe',
  description: 'Show the topics as the cluster has them',
  args: {},
  async run({ output }) {
    const topics = await withKafka(kafkaTarget(), (admin) => admin.describe());
    output.result(topics, table([['TOPIC', 'PARTITIONS', 'REPLICAS', 'KEPT', 'STATE'], ...topics.map(row)]));
    return EXIT.ok;
  },
});

export const topics = defineCommand({
  meta: { name: 'topics', description: 'Kafka topics: what is declared and what the cluster has' },
  subCommands: { plan, apply, describe, reassign },
}) as CommandDef;

function described({ changes, notes, unchanged }: TopicPlan, intro = 'To be done:'): string {
  return [
    ...(changes.length === 0 ? [] : [intro, ...changes.map((change) => `  ${describeChange(change)}`)]),
    ...notes.map((note) => `Note: ${note}`),
    `${unchanged.length} ${unchanged.length === 1 ? 'topic is' : 'topics are'} as declared.`,
  ].join('\n');
}

function row({ name, partitions, replicas, config, partitionDetails }: TopicDescription): string[] {
  const behind = partitionDetails.filter((each) => each.inSync.length < each.replicas.length).length;
  const leaderless = partitionDetails.filter(({ leader }) => leader < 0).length;
  const state = [
    leaderless > 0 ? `${leaderless} without a leader` : '',
    behind > 0 ? `${behind} with replicas that are behind` : '',
  ].filter(Boolean);
  return [name, String(partitions), String(replicas), kept(config), state.join(', ') || 'ok'];
}

function kept(config: Readonly<Record<string, string>>): string {
  const ms = Number(config['retention.ms']);
  if (config['cleanup.policy'] === 'compact') return 'compacted';
  return ms < 0 ? 'for ever' : `${Math.round((ms / 86_400_000) * 10) / 10} d`;
}
