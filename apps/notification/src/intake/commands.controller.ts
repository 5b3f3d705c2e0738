import { TOPICS, type CancelRequested } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Controller } from '@nestjs/common';
import { Engine } from '../engine.js';

/** What is asked of notifications that were accepted before. */
@Controller()
export class CommandsController {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  @OnBatch(TOPICS.commands)
  handle(batch: EventBatch<CancelRequested>): Promise<void> {
    return this.#engine.cancel(
      batch.partition,
      batch.records.map(({ event }) => event.data),
    );
  }
}
