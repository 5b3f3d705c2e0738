import { AUDITED_TOPICS, type TopicDeclaration } from '@bongsu/contracts';
import { OnBatch, type RawBatch } from '@bongsu/kafka';
import { Controller } from '@nestjs/common';
import { Appender } from './appender.js';

/** Every record of every audited topic, as bytes, into the chain of its partition. */
@Controller()
export class IntakeController {
  readonly #appender: Appender;

  constructor(appender: Appender) {
    this.#appender = appender;
  }

  async append({ topic, partition, records }: RawBatch): Promise<void> {
    await this.#appender.append(topic.name, partition, records);
  }
}

/**
 * A handler per topic, made from the list that the contracts declare: with one written out for each, a topic that is
 * audited from tomorrow on would be forgotten here. (A decorated method holds one topic only.)
 */
function handle(topic: TopicDeclaration): void {
  const name = `append ${topic.name}`;
  const handler = {
    value(this: IntakeController, batch: RawBatch): Promise<void> {
      return this.append(batch);
    },
    writable: true,
    configurable: true,
  };
  Object.defineProperty(IntakeController.prototype, name, handler);
  OnBatch(topic, { as: 'bytes' })(IntakeController.prototype, name, handler);
}
AUDITED_TOPICS.forEach(handle);
