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

  @OnBatch(TOPICS.requests.urgent)
  urgent(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.requests.normal)
  normal(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.requests.bulk)
  bulk(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.commands)
  commands(batch: EventBatch) {
    return this.projection.commands(batch);
  }

  @OnBatch(TOPICS.events)
  facts(batch: EventBatch) {
    return this.projection.facts(batch);
  }
}
