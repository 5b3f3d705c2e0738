import { describeChange, type PartitionLag, type TopicAdmin } from '@bongsu/kafka';
import { kafkaTarget, withKafka } from '../topics/kafka.js';
import { failed, messageOf, ok, skipped, warning, type Finding } from './finding.js';

/** A group that is further behind than this is worth a word, records. */
const MUCH = 10_000n;

/** Kafka: reachable, topics as declared, every partition with a leader, groups not far behind. */
export async function examineKafka(): Promise<Finding[]> {
  const target = kafkaTarget();
  const at = target.settings.KAFKA_BROKERS.join(', ');
  try {
    return await withKafka(target, async (admin) => [
      ok('Kafka', `answers at ${at}`),
      await examineTopics(admin, await admin.plan(target.overrides)),
      ...(await examineGroups(admin)),
    ]);
  } catch (error) {
    return [
      failed('Kafka', messageOf(error), 'Start the stack (npm start), or set KAFKA_BROKERS'),
      skipped('topics', 'Kafka does not answer'),
      skipped('consumer groups', 'Kafka does not answer'),
    ];
  }
}

async function examineTopics(
  admin: TopicAdmin,
  { changes, unchanged }: Awaited<ReturnType<TopicAdmin['plan']>>,
): Promise<Finding> {
  if (changes.length > 0) {
    const first = changes.slice(0, 3).map(describeChange).join('; ');
    const more = changes.length > 3 ? `; and ${changes.length - 3} more` : '';
    return failed('topics', `not as declared: ${first}${more}`, 'bongsu topics apply');
  }
  const leaderless = (await admin.describe()).flatMap(({ name, partitionDetails }) =>
    partitionDetails.filter(({ leader }) => leader < 0).map(({ partition }) => `${name}/${partition}`),
  );
  if (leaderless.length > 0)
    return failed('topics', `without a leader: ${leaderless.join(', ')}`, 'Start the brokers that are down');
  return ok('topics', `${unchanged.length} as declared`);
}

async function examineGroups(admin: TopicAdmin): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [group, partitions] of await admin.consumerLag()) findings.push(groupFinding(group, partitions));
  return findings;
}

function groupFinding(group: string, partitions: readonly PartitionLag[]): Finding {
  const what = `group ${group}`;
  const behind = partitions.reduce((sum, { lag }) => sum + lag, 0n);
  if (partitions.length > 0 && partitions.every(({ committed }) => committed === undefined)) {
    return behind === 0n
      ? ok(what, 'has had nothing to read yet')
      : failed(what, `has never committed, and ${behind} records wait`, 'Start its service, or see its log');
  }
  if (behind > MUCH)
    return warning(what, `${behind} records behind`, 'If that grows: see the log of its service, or start more of it');
  return ok(what, behind === 0n ? 'has read everything' : `${behind} records behind`);
}
