import { DeadLetterTopics, deadLetterTopics, type DeadLetterTopic } from '@bongsu/kafka';
import { CommandFailure, EXIT, UsageError } from '../command-line/exit.js';
import { kafkaTarget, unreachable, type KafkaTarget } from '../topics/kafka.js';

/** Runs `work` with a client; what Kafka does not answer becomes a CommandFailure, and so does what is not there. */
export async function withDeadLetters<T>(
  work: (letters: DeadLetterTopics, target: KafkaTarget) => Promise<T>,
): Promise<T> {
  const target = kafkaTarget();
  const letters = new DeadLetterTopics({ settings: target.settings, logger: target.logger });
  try {
    return await work(letters, target);
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause;
    if (cause instanceof RangeError) throw new CommandFailure(EXIT.failed, cause.message, { cause });
    throw unreachable(target, cause);
  } finally {
    letters.close();
  }
}

/**
 * The dead-letter topics that are meant by a topic, or by the name of a dead-letter topic itself. Throws a UsageError for
 * what there is none of.
 */
export function topicsOf(topic: string, group: string | undefined): DeadLetterTopic[] {
  const ofTopic = deadLetterTopics().filter((each) => each.topic === topic || each.name === topic);
  if (ofTopic.length === 0)
    throw new UsageError(`'${topic}' has no dead letters; "bongsu dead-letters topics" shows what has`);
  const found = ofTopic.filter((each) => group === undefined || each.group === group);
  if (found.length === 0) {
    const groups = ofTopic.map((each) => each.group).join(', ');
    throw new UsageError(`Group '${group}' does not read it; there are ${groups}`);
  }
  return found;
}
