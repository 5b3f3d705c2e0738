import { compareSchemas, type Hurts } from './schema-rules.ts';
import type { Reader, Snapshot, TopicSnapshot } from './snapshot.ts';

/** A change since a release that some consumer cannot live with. */
export interface Incompatibility {
  /** The release that it is incompatible with. */
  readonly release: string;
  readonly topics: readonly string[];
  /** The event type; empty when it is about the topic. */
  readonly type: string;
  /** JSON Pointer into the event's data; empty when it is about the topic or the type. */
  readonly field: string;
  readonly rule: string;
  readonly hurts: Hurts | 'the topic';
  readonly detail: string;
  /** `service (group)` of each consumer that is affected. */
  readonly consumers: readonly string[];
}

/** Everything about today's topics that is incompatible with a release; the three lanes say theirs together. */
export function incompatibilities(released: Snapshot, today: readonly TopicSnapshot[]): Incompatibility[] {
  const found = released.topics.flatMap((topic) => {
    const now = today.find(({ name }) => name === topic.name);
    if (!now) {
      const detail = `${topic.name} is declared no more: under another name it is another topic, and what is in this one is left`;
      return [aboutTopic('topic-removed', topic, topic.readBy, detail)];
    }
    return [...compareTopics(topic, now), ...compareEvents(topic, now)];
  });
  return together(found.map((each) => ({ release: released.version, ...each })));
}

type Found = Omit<Incompatibility, 'release'>;

const named = (readers: readonly Reader[]): string[] => readers.map(({ service, group }) => `${service} (${group})`);
/** Those that look into a record; to the others it is bytes. */
const decoding = (readers: readonly Reader[]): Reader[] => readers.filter((reader) => reader.as === 'events');

function aboutTopic(rule: string, topic: TopicSnapshot, readers: readonly Reader[], detail: string): Found {
  const consumers = named(readers);
  return { topics: [topic.name], type: '', field: '', rule, hurts: 'the topic', detail, consumers };
}

function compareTopics(was: TopicSnapshot, is: TopicSnapshot): Found[] {
  const found: Found[] = [];
  const add = (rule: string, detail: string, readers = is.readBy): void =>
    void found.push(aboutTopic(rule, is, readers, detail));
  if (was.key !== is.key)
    add('key-changed', `${changed('the key', was.key, is.key)}: records that belong together get out of order`);
  if (was.partitions !== is.partitions)
    add(
      'partitions-changed',
      `${changed('partitions', was.partitions, is.partitions)}: the records of a key are in two partitions, in no order`,
    );
  if (was.cleanup !== is.cleanup) add('cleanup-changed', changed('cleanup.policy', was.cleanup, is.cleanup));
  if (lasts(is) < lasts(was))
    add(
      'retention-shortened',
      `${changed('retention.ms', was.retentionMs, is.retentionMs)}: who is away as long as before misses records`,
    );
  for (const reader of was.readBy) {
    const now = is.readBy.find(({ service }) => service === reader.service);
    if (now && now.group !== reader.group)
      add('group-renamed', `${changed('the group', reader.group, now.group)}, which has no positions`, [now]);
  }
  return found;
}

const changed = (what: string, before: string | number, now: string | number): string =>
  `${what} was ${before} and is ${now}`;
const lasts = ({ retentionMs }: TopicSnapshot): number => (retentionMs < 0 ? Infinity : retentionMs);

function compareEvents(was: TopicSnapshot, is: TopicSnapshot): Found[] {
  const topics = [is.name];
  const found: Found[] = [];
  const add = (type: string, field: string, rule: string, hurts: Hurts, detail: string): void => {
    // Old records are read by the consumers of today, new ones also by those of the release.
    const consumers = named(decoding((hurts === 'old records' ? is : was).readBy));
    if (consumers.length > 0) found.push({ topics, type, field, rule, hurts, detail, consumers });
  };
  for (const [type, schema] of Object.entries(was.events)) {
    const now = is.events[type];
    if (now === undefined) add(type, '', 'type-removed', 'old records', 'the event type is not of this topic any more');
    else
      for (const { field, rule, hurts, detail } of compareSchemas(schema, now)) add(type, field, rule, hurts, detail);
  }
  for (const type of Object.keys(is.events)) {
    if (was.events[type] === undefined)
      add(type, '', 'type-added', 'new records', 'the event type was not of this topic');
  }
  return found;
}

/** What is said of several topics or types in the same words is one thing to mend. */
function together(found: readonly Incompatibility[]): Incompatibility[] {
  const groups = Map.groupBy(found, (one) => JSON.stringify({ ...one, topics: [] }));
  return [...groups.values()].flatMap((group) =>
    group.slice(0, 1).map((one) => ({ ...one, topics: group.flatMap(({ topics }) => topics) })),
  );
}

/** One that was decided on, with the reason and the order in which services are to be deployed. */
export interface Accepted {
  readonly release: string;
  readonly topic: string;
  readonly type: string;
  readonly field: string;
  readonly rule: string;
  readonly why: string;
}

/**
 * What is left when those that were decided on are taken off, in words; also decisions about nothing, which would
 * let the next such change through unseen.
 */
export function problems(found: readonly Incompatibility[], accepted: readonly Accepted[]): string[] {
  const covers = (decision: Accepted, one: Incompatibility, topic: string): boolean =>
    decision.topic === topic &&
    (['release', 'type', 'field', 'rule'] as const).every((key) => decision[key] === one[key]);
  const left = found.flatMap((one) => {
    const topics = one.topics.filter((topic) => !accepted.some((decision) => covers(decision, one, topic)));
    return topics.length === 0 ? [] : [inWords({ ...one, topics })];
  });
  const idle = accepted
    .filter((decision) => !found.some((one) => one.topics.some((topic) => covers(decision, one, topic))))
    .map(
      ({ release, topic, field, rule }) =>
        `accepted.json: nothing is ${rule} at ${topic} ${field} since ${release}; delete the entry`,
    );
  return [...left, ...idle];
}

/** Field, rule and consumers, and what will happen to them. */
function inWords({ release, topics, type, field, rule, hurts, detail, consumers }: Incompatibility): string {
  const place = [topics.join(', '), type, field].filter((part) => part !== '').join(' ');
  const effect = {
    'old records': `refuse records of ${release}`,
    'new records': `refuse or misread records of today while they are still of ${release}`,
    'the topic': 'are affected',
  }[hurts];
  return `${place}: ${rule}: ${detail}. ${consumers.join(', ') || 'nobody'} would ${effect}`.replace(
    'would are',
    'are',
  );
}
