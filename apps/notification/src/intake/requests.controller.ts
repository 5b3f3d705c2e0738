import { TOPICS, type NotificationRequested } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Controller } from '@nestjs/common';
import { Engine } from '../engine.js';

/** Accepted notifications, from the three lanes, into the ledger: the backlog of one lane does not hold up another. */
@Controller()
export class RequestsController {
  readonly #engine: Engine;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  @OnBatch(TOPICS.requests.urgent, { sideBySide: 4 })
  urgent(batch: EventBatch<NotificationRequested>): Promise<void> {
    return this.#takeIn(batch);
  }

  @OnBatch(TOPICS.requests.normal, { sideBySide: 2 })
  normal(batch: EventBatch<NotificationRequested>): Promise<void> {
    return this.#takeIn(batch);
  }

  // However few they are: what is taken in ahead rests, and the fetch loop must bring urgent ones meanwhile.
  @OnBatch(TOPICS.requests.bulk, { sideBySide: 1, besideFrom: 1 })
  bulk(batch: EventBatch<NotificationRequested>): Promise<void> {
    return this.#takeIn(batch);
  }

  #takeIn(batch: EventBatch<NotificationRequested>): Promise<void> {
    const accepted = batch.records.map(({ key, event, raw }) => ({
      key,
      request: event.data,
      bytes: raw.value ?? EMPTY,
      trace: event.trace,
    }));
    return this.#engine.takeIn(batch.partition, accepted, batch.signal);
  }
}

const EMPTY = Buffer.alloc(0);
