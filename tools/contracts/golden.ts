import { goldenEvents } from './corpus/corpus.ts';
import { declarationOf, topicsOf, type Contracts, type GoldenRecord, type Snapshot } from './snapshot.ts';

/** The golden events as these contracts write them. Moments and ids are those of `at`, so that a second run writes the same bytes. */
export function goldenRecords(contracts: Contracts, at: Date): GoldenRecord[] {
  return goldenEvents(contracts, at).map(({ name, topic: topicName, key, event }) => {
    const topic = contracts.ALL_TOPICS.find((each) => each.name === topicName);
    if (!topic) throw new Error(`the golden event "${name}" is for ${topicName}, which is no topic`);
    const record = contracts.encodeEvent(topic, key, event);
    return {
      name,
      topic: record.topic,
      partition: contracts.partitionFor(record.key, topic.partitions),
      key: record.key,
      headers: record.headers,
      value: record.value.toString('utf8'),
    };
  });
}

export const snapshotOf = (contracts: Contracts, version: string, at: Date): Snapshot => ({
  version,
  at: at.toISOString(),
  topics: topicsOf(contracts),
  records: goldenRecords(contracts, at),
});

/**
 * What the schemas do not show: today's decoder on every golden record of the release, the release's schemas on every
 * golden record of today, and whether the same event still gets the same key, partition and headers.
 */
export function goldenProblems(contracts: Contracts, released: Snapshot): string[] {
  const today = goldenRecords(contracts, new Date(released.at));
  const now = new Map(contracts.ALL_TOPICS.map((topic) => [topic.name, topic]));
  const then = new Map(released.topics.map((topic) => [topic.name, declarationOf(contracts, topic)]));
  const written = new Map(today.map((record) => [record.name, record]));
  return [
    ...released.records.flatMap((record) => unreadable(contracts, now, record, `of ${released.version}`, 'today')),
    ...today
      .filter(({ topic }) => then.has(topic))
      .flatMap((record) => unreadable(contracts, then, record, 'of today', released.version)),
    ...released.records.flatMap((record) => movedFrom(record, written.get(record.name), released.version)),
  ];
}

function unreadable(
  contracts: Contracts,
  topics: ReadonlyMap<string, unknown>,
  record: GoldenRecord,
  ofWhom: string,
  byWhom: string,
): string[] {
  const { name, topic } = record;
  // A topic that is gone is said by its own rule.
  if (!topics.has(topic)) return [];
  try {
    contracts.decodeEvent(topics.get(topic), rawRecord(record));
    return [];
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return [`${topic}: golden record "${name}" ${ofWhom} cannot be read by the contracts of ${byWhom}: ${why}`];
  }
}

/** As a consumer gets it. */
export const rawRecord = ({ topic, partition, key, headers, value }: GoldenRecord): object => ({
  topic,
  partition,
  offset: 0n,
  timestamp: 0n,
  key: Buffer.from(key),
  value: Buffer.from(value),
  headers: Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)] as const),
});

function movedFrom(was: GoldenRecord, is: GoldenRecord | undefined, release: string): string[] {
  const about = `${was.topic}: golden record "${was.name}"`;
  if (!is) return [`${about} of ${release} has no counterpart today; the corpus may only grow`];
  const changed = (['key', 'partition'] as const)
    .filter((what) => was[what] !== is[what])
    .map((what) => `${about}: ${what}-changed: was ${was[what]} in ${release} and is ${is[what]}: order is lost`);
  const missing = Object.keys(was.headers).filter((header) => is.headers[header] === undefined);
  return [...changed, ...missing.map((header) => `${about}: header-removed: ${header} was there in ${release}`)];
}
