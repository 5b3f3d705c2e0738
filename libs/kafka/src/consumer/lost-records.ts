import type { Logger } from '@bongsu/observability';
import type { LogEntry } from 'kafkajs';
import { consumerOffsetResets } from '../metrics.js';
import type { TopicPartition } from './partition-pauses.js';

const OUT_OF_RANGE = 'Offset out of range, resetting to default offset';

/**
 * Says aloud that a committed offset is out of its partition. kafkajs has no event for it, only a line in its log; a test on
 * the real broker makes sure that it is still so.
 */
export function sayLostRecords(entry: LogEntry, group: string, logger: Logger): void {
  if (entry.log.message !== OUT_OF_RANGE) return;
  const { topic, partition } = entry.log as unknown as TopicPartition;
  consumerOffsetResets.inc({ topic, group });
  logger.error(
    { topic, partition, group },
    'RECORDS WERE LOST TO THIS GROUP: retention has deleted what it had not read yet; it goes on with the oldest record left',
  );
}
