import { DEAD_LETTER_RETENTION_MS, deadLetterTopic, type TopicDeclaration } from '@bongsu/contracts';

/** A topic as it should be. */
export interface WantedTopic {
  /** With the prefix. */
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  readonly config: Readonly<Record<string, string>>;
}

/** A topic as the cluster has it. */
export interface ActualTopic {
  readonly name: string;
  readonly partitions: number;
  readonly replicas: number;
  /** Effective values, those of the broker's defaults too. */
  readonly config: Readonly<Record<string, string>>;
}

export interface ConfigChange {
  readonly name: string;
  readonly from: string | undefined;
  readonly to: string;
}

export type TopicChange =
  | { readonly kind: 'create'; readonly topic: WantedTopic }
  | { readonly kind: 'add-partitions'; readonly name: string; readonly from: number; readonly to: number }
  | { readonly kind: 'configure'; readonly name: string; readonly changes: readonly ConfigChange[] };

/** What `apply` would do, and what it will not do and an operator should know. */
export interface TopicPlan {
  readonly changes: readonly TopicChange[];
  readonly notes: readonly string[];
  /** Topics that are as they should be. */
  readonly unchanged: readonly string[];
}

/** `name:partitions:replicas`, by declared name. */
export type TopicOverrides = ReadonlyMap<string, { readonly partitions: number; readonly replicas: number }>;

export interface PlanOptions {
  readonly prefix: string;
  readonly replicas: number;
  readonly overrides: TopicOverrides;
}

/**
 * A dead letter is its record and some headers more, so a record that just fitted its topic must fit here: twice Kafka's
 * default of `max.message.bytes`.
 */
const DEAD_LETTER_MAX_BYTES = 2_097_152;

/**
 * kafkajs cannot read Snappy, LZ4 or Zstandard, and ends when it meets them: a record of another program would stop the
 * partition. With this the broker unpacks what arrives compressed; what arrives as it is costs it nothing.
 */
const READABLE = { 'compression.type': 'uncompressed' };

/** With three replicas a record is on two before it is acknowledged, and one broker may be away without stopping anything. */
const minInSync = (replicas: number): string => (replicas >= 3 ? '2' : '1');

/**
 * What has to change so that the cluster has every declared topic and the dead-letter topic of each of its readers.
 * Partitions are never reduced (Kafka cannot), replicas never changed (`topics reassign` does that), and a configuration
 * that is not declared is left alone.
 */
export function planTopics(
  declared: readonly TopicDeclaration[],
  actual: readonly ActualTopic[],
  options: PlanOptions,
): TopicPlan {
  const existing = new Map(actual.map((topic) => [topic.name, topic]));
  const changes: TopicChange[] = [];
  const notes: string[] = [];
  const unchanged: string[] = [];
  for (const wanted of wantedTopics(declared, existing, options)) {
    const topic = existing.get(wanted.name);
    if (!topic) {
      changes.push({ kind: 'create', topic: wanted });
      continue;
    }
    const found = differences(wanted, topic);
    if (found.length === 0) unchanged.push(wanted.name);
    changes.push(...found);
    if (topic.partitions > wanted.partitions)
      notes.push(`${topic.name} has ${topic.partitions} partitions, ${wanted.partitions} are declared: it keeps them`);
    if (topic.replicas !== wanted.replicas)
      notes.push(
        `${topic.name} has ${topic.replicas} replica(s), ${wanted.replicas} declared: topics reassign --replicas changes that`,
      );
  }
  const names = new Set(declared.map((topic) => topic.name));
  for (const name of options.overrides.keys())
    if (!names.has(name)) notes.push(`KAFKA_TOPICS names ${name}, which is not a declared topic`);
  return { changes, notes, unchanged };
}

/** Every topic that there should be, the dead-letter topics behind the one that they belong to. */
export function wantedTopics(
  declared: readonly TopicDeclaration[],
  existing: ReadonlyMap<string, Pick<ActualTopic, 'partitions'>>,
  { prefix, replicas: defaultReplicas, overrides }: PlanOptions,
): WantedTopic[] {
  return declared.flatMap((topic) => {
    const { partitions, replicas } = overrides.get(topic.name) ?? {
      partitions: topic.partitions,
      replicas: defaultReplicas,
    };
    const name = prefix + topic.name;
    const insync = { 'min.insync.replicas': minInSync(replicas) };
    const kept = topic.cleanup === 'compact' ? {} : { 'retention.ms': String(topic.retentionMs) };
    const deadLetterConfig = {
      'cleanup.policy': 'delete',
      'retention.ms': String(DEAD_LETTER_RETENTION_MS),
      'max.message.bytes': String(DEAD_LETTER_MAX_BYTES),
      ...insync,
    };
    // Dead letters keep the partition number of their record, so their topic has at least as many.
    const deadLetterPartitions = Math.max(partitions, existing.get(name)?.partitions ?? 0);
    return [
      { name, partitions, replicas, config: { 'cleanup.policy': topic.cleanup, ...kept, ...READABLE, ...insync } },
      ...topic.readBy.map(({ group }) => ({
        name: prefix + deadLetterTopic(topic.name, group),
        partitions: deadLetterPartitions,
        replicas,
        config: deadLetterConfig,
      })),
    ];
  });
}

function differences(wanted: WantedTopic, actual: ActualTopic): TopicChange[] {
  const changes: TopicChange[] = [];
  if (actual.partitions < wanted.partitions)
    changes.push({ kind: 'add-partitions', name: wanted.name, from: actual.partitions, to: wanted.partitions });
  // By the replicas that there are: two that must be in sync, of one, would stop every write, and one of three would
  // let an acknowledged record be lost.
  const config = { ...wanted.config, 'min.insync.replicas': minInSync(actual.replicas) };
  const drift = Object.entries(config)
    .filter(([name, to]) => actual.config[name] !== to)
    .map(([name, to]) => ({ name, from: actual.config[name], to }));
  if (drift.length > 0) changes.push({ kind: 'configure', name: wanted.name, changes: drift });
  return changes;
}

/** One line per change, for people. */
export function describeChange(change: TopicChange): string {
  if (change.kind === 'create') {
    const { name, partitions, replicas, config } = change.topic;
    const settings = Object.entries(config).map(([key, value]) => `${key}=${value}`);
    return `create ${name}: ${partitions} partition(s), ${replicas} replica(s), ${settings.join(', ')}`;
  }
  if (change.kind === 'add-partitions')
    return `add partitions to ${change.name}: ${change.from} → ${change.to} (keys move, so order across the change is not kept)`;
  const settings = change.changes.map(({ name, from, to }) => `${name} ${from ?? '(unknown)'} → ${to}`);
  return `configure ${change.name}: ${settings.join(', ')}`;
}
