import { Controller } from '@nestjs/common';
import { RECIPIENT_ERASED, TOPICS, type RecipientErased } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Eraser } from './eraser.js';

/** What the directory of recipients says, for the read model. */
@Controller()
export class ErasureIntakeController {
  private readonly eraser: Eraser;
  constructor(eraser: Eraser) {
    this.eraser = eraser;
  }

  @OnBatch(TOPICS.recipients)
  async recipients({ records }: EventBatch): Promise<void> {
    const erased = records.filter(({ event }) => event.type === RECIPIENT_ERASED);
    await this.eraser.erase(erased.map(({ event }) => event.data as RecipientErased));
  }
}
