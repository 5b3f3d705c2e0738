import { Controller } from '@nestjs/common';
import { TOPICS } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Projection } from './projection.js';

/** What group bongsu.status reads. */
@Controller()
export class ProjectionController {
  private readonly projection: Projection;
  constructor(projection: Projection) {
    this.projection = projection;
  }

  @OnBatch(TOPICS.requests.urgent, { sideBySide: 2 })
  urgent(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.requests.normal, { sideBySide: 2 })
  normal(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.requests.bulk, { sideBySide: 1 })
  bulk(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.commands)
  commands(batch: EventBatch) {
    return this.projection.commands(batch);
  }

  @OnBatch(TOPICS.events, { sideBySide: 2 })
  facts(batch: EventBatch) {
    return this.projection.facts(batch);
  }
}
