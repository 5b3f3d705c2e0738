import {
  ALL_TOPICS,
  deadLetterTopic,
  GROUPS,
  REPLAY_GROUP,
  TOPICS,
  type Service,
  type TopicDeclaration,
} from '@bongsu/contracts';

/** Who logs in to Kafka in secure mode: each service, the person who looks after dead letters, and Kafka Connect. */
export const USERS = {
  api: 'bongsu-api',
  notification: 'bongsu-notification',
  audit: 'bongsu-audit',
  operator: 'bongsu-operator',
  connect: 'bongsu-connect',
} as const satisfies Record<Service | 'operator' | 'connect', string>;
export type User = (typeof USERS)[keyof typeof USERS];
export const ALL_USERS: readonly User[] = Object.values(USERS);

/** Of Kafka Connect's sink (infra/connect/events-to-file.properties); named by Connect, so that no prefix is before it. */
const CONNECT_GROUP = 'connect-events-to-file';

/**
 * Who may do everything, by the brokers' own settings (infra/secure/kafka.properties): brokers, and whoever makes topics,
 * users and rights.
 */
export const SUPER_USERS = ['bongsu-broker', 'bongsu-admin'] as const;

/** Of Kafka's own words those that are given. READ, WRITE and DELETE include DESCRIBE. */
type Operation = 'READ' | 'WRITE' | 'DELETE' | 'DESCRIBE' | 'DESCRIBE_CONFIGS';

/** One thing that a user may do. */
export interface Right {
  readonly user: string;
  /** `topic` or `group`; of what others have given also `cluster` and the like. */
  readonly resource: string;
  /** As Kafka knows it; `*` for all. */
  readonly name: string;
  readonly operation: string;
}

/**
 * What each user may do, all of it, read off the table of topics. No right about the cluster is among it: since Kafka 2.8
 * whoever may write a topic may also be an idempotent producer.
 * @param prefix KAFKA_TOPIC_PREFIX, of topics and groups
 */
export function rightsOf(topics: readonly TopicDeclaration[] = ALL_TOPICS, prefix = ''): Right[] {
  const rights = new Map<string, Right>();
  const may = (user: User, operation: Operation, resource: 'topic' | 'group', name: string): void => {
    const right = { user, resource, name: name === '*' || name === CONNECT_GROUP ? name : prefix + name, operation };
    rights.set(nameOf(right), right);
  };
  for (const topic of topics) {
    // What no service writes comes from outside: by the operator's hand, or by Kafka Connect.
    const outside = topic.writtenBy === 'operator' ? (['connect'] as const) : [];
    for (const writer of [topic.writtenBy, ...(topic.alsoWrittenBy ?? []), ...outside]) {
      may(USERS[writer], 'WRITE', 'topic', topic.name);
      // How large a record may be; without it a record that is too large is found out by its refusal.
      may(USERS[writer], 'DESCRIBE_CONFIGS', 'topic', topic.name);
    }
    may(USERS.operator, 'READ', 'topic', topic.name);
    may(USERS.operator, 'DESCRIBE_CONFIGS', 'topic', topic.name);
    for (const reader of topic.readBy) {
      const letters = deadLetterTopic(topic.name, reader.group);
      may(USERS[reader.service], 'READ', 'topic', topic.name);
      may(USERS[reader.service], 'READ', 'group', reader.group);
      may(USERS[reader.service], 'WRITE', 'topic', letters);
      may(USERS[reader.service], 'DESCRIBE_CONFIGS', 'topic', letters);
      may(USERS.operator, 'READ', 'topic', letters);
      may(USERS.operator, 'DESCRIBE_CONFIGS', 'topic', letters);
      // A dead letter is replayed into the topic that it came from. A reader of bytes leaves none behind.
      if (reader.as === 'events') may(USERS.operator, 'WRITE', 'topic', topic.name);
    }
  }
  // `dead-letters` remembers as offsets of this group what was replayed; `doctor` and `topics` show how far the others are.
  may(USERS.operator, 'READ', 'group', REPLAY_GROUP);
  for (const group of Object.values(GROUPS)) may(USERS.operator, 'DESCRIBE', 'group', group);
  may(USERS.connect, 'READ', 'topic', TOPICS.events.name);
  may(USERS.connect, 'READ', 'group', CONNECT_GROUP);
  // A store that was brought back from a backup reads again what it does not have: the group forgets its offsets.
  may(USERS.audit, 'DELETE', 'group', GROUPS.audit);
  // The audit service shows how far every group of the cluster is (docs/adr/0013): it sees where, and reads nothing.
  may(USERS.audit, 'DESCRIBE', 'group', '*');
  may(USERS.audit, 'DESCRIBE', 'topic', '*');
  return [...rights.values()].toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
}

const nameOf = ({ user, resource, name, operation }: Right): string => [user, resource, name, operation].join(' ');

export interface AccessPlan<Actual extends Right = Right> {
  /** What the table gives and the cluster does not have. */
  readonly missing: readonly Right[];
  /** What the cluster gives the users of this system, or denies them, beyond the table. */
  readonly beyond: readonly Actual[];
}

/**
 * Compares the table with what the cluster has. What other users have is nobody's business here, and neither are, with a
 * prefix, the topics and groups of another installation.
 */
export function planAccess<Actual extends Right>(
  wanted: readonly Right[],
  actual: readonly Actual[],
  prefix = '',
): AccessPlan<Actual> {
  const [wants, has] = [wanted, actual].map((rights) => new Set(rights.map(nameOf))) as [Set<string>, Set<string>];
  const isOurs = ({ user, name }: Right): boolean =>
    ALL_USERS.some((each) => each === user) && (name === '*' || name.startsWith(prefix));
  return {
    missing: wanted.filter((right) => !has.has(nameOf(right))),
    beyond: actual.filter((right) => isOurs(right) && !wants.has(nameOf(right))),
  };
}
