import type { MessageHandler } from '@nestjs/microservices';
import type { Group, Reader, TopicDeclaration } from '@bongsu/contracts';
import type { Beside } from './background.js';
import type { BatchHandlerExtras } from './on-batch.js';

export interface TopicHandler {
  readonly topic: TopicDeclaration;
  readonly as: Reader['as'];
  readonly beside: Beside | undefined;
  readonly handler: MessageHandler;
}

/**
 * The handler of each topic that the group reads, as the topics' declarations say. Throws an Error that lists everything
 * that does not fit: a topic without a handler would be consumed by nobody, one with two twice.
 */
export function handlersOf(
  registered: ReadonlyMap<string, MessageHandler>,
  group: Group,
  topics: readonly TopicDeclaration[],
): TopicHandler[] {
  const problems: string[] = [];
  const found: TopicHandler[] = [];
  for (const topic of topics) {
    const reader = topic.readBy.find((each) => each.group === group);
    const handler = registered.get(topic.name);
    if (!reader && handler) problems.push(`${topic.name} has a handler, but the group does not read it`);
    if (!reader) continue;
    if (!handler) problems.push(`${topic.name} has no handler`);
    else if (handler.next) problems.push(`${topic.name} has more than one handler`);
    else {
      const { batch } = (handler.extras ?? {}) as Partial<BatchHandlerExtras>;
      if (!batch) problems.push(`${topic.name} has a handler without @OnBatch`);
      else if (batch.as !== reader.as)
        problems.push(`${topic.name} is declared to be read as ${reader.as}, its handler takes ${batch.as}`);
      found.push({ topic, as: reader.as, beside: batch?.beside, handler });
    }
  }
  const known = new Set(topics.map((topic) => topic.name));
  for (const name of registered.keys()) if (!known.has(name)) problems.push(`${name} is not a declared topic`);
  if (found.length === 0 && problems.length === 0) problems.push('the group reads no topic');
  if (problems.length > 0)
    throw new Error(`Group ${group} cannot start:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
  return found;
}
