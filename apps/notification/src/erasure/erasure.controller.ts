import { RECIPIENT_ERASED, TOPICS, type RecipientErased } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Controller } from '@nestjs/common';
import { Eraser } from './eraser.js';

/** What the directory of recipients says. */
@Controller()
export class ErasureController {
  readonly #eraser: Eraser;

  constructor(eraser: Eraser) {
    this.#eraser = eraser;
  }

  @OnBatch(TOPICS.recipients)
  async handle({ records }: EventBatch): Promise<void> {
    const erased = records.filter(({ event }) => event.type === RECIPIENT_ERASED);
    await this.#eraser.erase(erased.map(({ event }) => event.data as RecipientErased));
  }
}
