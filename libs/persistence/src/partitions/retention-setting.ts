import { duration, type Setting } from '@bongsu/config';
import { LONGEST_IDEMPOTENCY_WINDOW_MS, type TopicDeclaration } from '@bongsu/contracts';

const DAY_MS = 86_400_000;

/**
 * The least retention of a table that knows by its ids which records it has had: Kafka may deliver a record again for as long
 * as it keeps it, and the record's id may be older than the record by an Idempotency-Key's window. Forgotten earlier, it
 * would be taken for new and sent again. Milliseconds.
 */
export const leastRetentionMs = (topics: readonly TopicDeclaration[]): number =>
  Math.max(...topics.map(({ retentionMs }) => retentionMs)) + LONGEST_IDEMPOTENCY_WINDOW_MS;

/** A duration for which records of these topics are remembered; a shorter one than `leastRetentionMs` stops the start. */
export function retention(
  topics: readonly TopicDeclaration[],
): (description: string, fallback: string) => Setting<number> {
  const least = leastRetentionMs(topics);
  return (description, fallback) => {
    const given = duration()(description, fallback);
    const parse = (text: string): number => {
      const ms = given.parse(text);
      if (ms >= least) return ms;
      throw new Error(
        `must be at least ${least / DAY_MS}d: Kafka keeps requests for ${(least - LONGEST_IDEMPOTENCY_WINDOW_MS) / DAY_MS}d, ` +
          `an Idempotency-Key may stand for ${LONGEST_IDEMPOTENCY_WINDOW_MS / DAY_MS}d, and what is forgotten sooner would be sent again`,
      );
    };
    return { ...given, parse };
  };
}
