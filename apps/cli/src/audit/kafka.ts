import { KafkaComparison } from '@bongsu/audit-chain';
import { KafkaRecords } from '@bongsu/kafka';
import { CommandFailure } from '../command-line/exit.js';
import { kafkaTarget, unreachable } from '../topics/kafka.js';

/** Runs `work` with a comparison with the records of these brokers (undefined without); KAFKA_* say the rest, as elsewhere. */
export async function withKafkaRecords<T>(
  brokers: string | undefined,
  work: (comparison: KafkaComparison | undefined) => Promise<T>,
): Promise<T> {
  if (brokers === undefined) return await work(undefined);
  const target = kafkaTarget({ ...process.env, KAFKA_BROKERS: brokers });
  const records = new KafkaRecords(target);
  const comparison = new KafkaComparison(async function* (topic, partition) {
    try {
      yield* records.read(topic, partition);
    } catch (cause) {
      throw cause instanceof CommandFailure ? cause : unreachable(target, cause);
    }
  });
  try {
    return await work(comparison);
  } finally {
    records.close();
  }
}
