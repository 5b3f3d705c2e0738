import { ClusterLook, describeChange, type BrokerState, type TopicAdmin, type TopicDescription } from '@bongsu/kafka';
import { kafkaTarget, withKafka, type KafkaTarget } from '../topics/kafka.js';
import { examineDeadLetters } from './dead-letters.js';
import { failed, messageOf, ok, skipped, warning, type Finding } from './finding.js';
import { examineGroups } from './groups.js';

/** Kafka: reachable and set up so that an acknowledgement means something, topics as declared, groups not far behind. */
export async function examineKafka(now: number): Promise<Finding[]> {
  const target = kafkaTarget();
  const look = new ClusterLook(target);
  try {
    return await withKafka(target, async (admin) => [
      ...examineBrokers(await look.brokers(), target),
      ...(await examineTopics(admin, target)),
      ...(await examineGroups(admin, look, target.settings.KAFKA_TOPIC_PREFIX, now)),
      await examineDeadLetters(),
    ]);
  } catch (error) {
    return [
      failed('Kafka', messageOf(error), 'Start the stack (npm start), or set KAFKA_BROKERS'),
      ...['topics', 'consumer groups', 'dead letters'].map((what) => skipped(what, 'Kafka does not answer')),
    ];
  } finally {
    look.close();
  }
}

function examineBrokers(brokers: readonly BrokerState[], { settings }: KafkaTarget): Finding[] {
  const what = 'Kafka';
  const versions = [...new Set(brokers.flatMap(({ settings: own }) => own['inter.broker.protocol.version'] ?? []))];
  const spoken = versions.length === 0 ? '' : `, version ${versions.map((each) => each.split('-')[0]).join(' and ')}`;
  const answers = `${brokers.length} broker(s)${spoken} at ${settings.KAFKA_BROKERS.join(', ')}`;
  const findings: Finding[] = [];
  const having = (name: keyof BrokerState['settings'], value: string): string =>
    brokers.flatMap(({ id, settings: own }) => (own[name] === value ? [id] : [])).join(', ');
  const unclean = having('unclean.leader.election.enable', 'true');
  if (unclean)
    findings.push(
      failed(
        what,
        `unclean.leader.election.enable on broker ${unclean}: records that were acknowledged may be lost`,
        'Set it to false (infra/kafka/server.properties)',
      ),
    );
  const creating = having('auto.create.topics.enable', 'true');
  if (creating)
    findings.push(
      warning(
        what,
        `auto.create.topics.enable on broker ${creating}: a misspelt topic is made, with the broker's defaults`,
        'Set it to false; `bongsu topics apply` makes topics',
      ),
    );
  if (!brokers.some(({ isController }) => isController))
    findings.push(failed(what, 'there is no controller', 'docs/runbook.md#kafkacontrollercount'));
  return [ok(what, answers), ...findings];
}

async function examineTopics(admin: TopicAdmin, { overrides }: KafkaTarget): Promise<Finding[]> {
  const { changes, unchanged, notes } = await admin.plan(overrides);
  const topics = await admin.describe();
  const findings: Finding[] = [];
  if (changes.length > 0) {
    const first = changes.slice(0, 3).map(describeChange).join('; ');
    const more = changes.length > 3 ? `; and ${changes.length - 3} more` : '';
    findings.push(failed('topics', `not as declared: ${first}${more}`, 'bongsu topics apply'));
  }
  findings.push(...examineReplicas(topics));
  // Replicas and more partitions than declared are for people to decide.
  if (notes.length > 0) findings.push(warning('topics', abbreviated(notes, '; '), 'bongsu topics plan shows all'));
  return findings.length > 0 ? findings : [ok('topics', `${unchanged.length} as declared`)];
}

function examineReplicas(topics: readonly TopicDescription[]): Finding[] {
  const findings: Finding[] = [];
  const named = (
    problem: (topic: TopicDescription, partition: TopicDescription['partitionDetails'][number]) => boolean,
  ) =>
    topics.flatMap((topic) =>
      topic.partitionDetails
        .filter((each) => problem(topic, each))
        .map(({ partition }) => `${topic.name}/${partition}`),
    );
  const leaderless = named((_, { leader }) => leader < 0);
  if (leaderless.length > 0)
    findings.push(
      failed('topics', `without a leader: ${abbreviated(leaderless)}`, 'docs/runbook.md#kafkaofflinepartitions'),
    );
  const unwritable = named(
    ({ config }, { leader, inSync }) => leader >= 0 && inSync.length < Number(config['min.insync.replicas'] ?? 1),
  );
  if (unwritable.length > 0)
    findings.push(
      failed(
        'topics',
        `too few replicas in sync to be written: ${abbreviated(unwritable)}`,
        'docs/runbook.md#kafkaunderminisrpartitions',
      ),
    );
  const behind = named((_, { leader, replicas, inSync }) => leader >= 0 && inSync.length < replicas.length);
  if (behind.length > 0 && unwritable.length === 0)
    findings.push(
      warning(
        'topics',
        `with replicas that are behind: ${abbreviated(behind)}`,
        'docs/runbook.md#kafkaunderreplicatedpartitions',
      ),
    );
  return findings;
}

const abbreviated = (names: readonly string[], separator = ', '): string =>
  names.slice(0, 3).join(separator) + (names.length > 3 ? `${separator}and ${names.length - 3} more` : '');
