import { TOPICS } from '@bongsu/contracts';
import pg from 'pg';
import { askKafka, kafkaOf } from './ask-kafka.ts';
import type { Evidence } from './oracle.ts';
import type { System } from './system.ts';

/** The header of records that the suite put there to do harm: they are no notifications. */
export const POISON = 'faults_poison';

/** Reads from Kafka itself, by a client of its own, which notifications the log holds. */
export async function readLog(system: System): Promise<Set<string>> {
  const topics = Object.values(TOPICS.requests).map(({ name }) => system.prefix + name);
  const ends = await offsets(system, topics);
  const ids = new Set<string>();
  if (ends.size === 0) return ids;
  const consumer = kafkaOf(system).consumer({ groupId: `${system.prefix}oracle-${performance.now()}` });
  await consumer.connect();
  try {
    await consumer.subscribe({ topics, fromBeginning: true });
    const { promise: done, resolve } = Promise.withResolvers<void>();
    await consumer.run({
      eachBatch: ({ batch }) => {
        for (const { value, headers } of batch.messages)
          if (value && !headers?.[POISON]) ids.add((JSON.parse(value.toString()) as { id: string }).id);
        const place = `${batch.topic}/${batch.partition}`;
        if (BigInt(batch.lastOffset()) + 1n >= (ends.get(place) ?? 0n)) ends.delete(place);
        if (ends.size === 0) resolve();
        return Promise.resolve();
      },
    });
    await done;
  } finally {
    await consumer.disconnect();
  }
  return ids;
}

/** The ends of the partitions that hold anything. */
const offsets = (system: System, topics: readonly string[]): Promise<Map<string, bigint>> =>
  askKafka(system, async (admin) => {
    const ends = new Map<string, bigint>();
    for (const topic of topics) {
      for (const { partition, high, low } of await admin.fetchTopicOffsets(topic))
        if (BigInt(high) > BigInt(low)) ends.set(`${topic}/${partition}`, BigInt(high));
    }
    return ends;
  });

const LEDGER = `
  SELECT notification_id AS id, count(*)::int AS deliveries, count(*) FILTER (WHERE status = 'delivered')::int AS delivered
    FROM notification.deliveries GROUP BY 1`;
const AUDIT = `
  SELECT subject AS id, count(*)::int AS records, count(DISTINCT (topic, partition, epoch, "offset"))::int AS different
    FROM audit.records WHERE topic LIKE '%notification.requests.%' AND subject IS NOT NULL GROUP BY 1`;

interface Row {
  readonly id: string;
}

/** What the ledger and the audit hold. */
export async function readStores(system: System): Promise<Pick<Evidence, 'ledger' | 'audit'>> {
  const client = new pg.Client({ connectionString: system.databaseUrl });
  await client.connect();
  try {
    const read = async <T>(sql: string): Promise<Map<string, T & Row>> =>
      new Map((await client.query<T & Row>(sql)).rows.map((row) => [row.id, row]));
    return { ledger: await read(LEDGER), audit: await read(AUDIT) };
  } finally {
    await client.end();
  }
}
