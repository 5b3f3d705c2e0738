import { Controller } from '@nestjs/common';
import { TOPICS } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Projection } from './projection.js';

/**
 * Partitions of a topic that are handled at the same time: all of them, since what comes from several goes into one
 * transaction (or waits for it).
 */
const SIDE_BY_SIDE = 64;

/** What group bongsu.status reads. */
@Controller()
export class ProjectionController {
  private readonly projection: Projection;

  constructor(projection: Projection) {
    this.projection = projection;
  }

  @OnBatch(TOPICS.requests.urgent, { sideBySide: SIDE_BY_SIDE })
  urgent(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  @OnBatch(TOPICS.requests.normal, { sideBySide: SIDE_BY_SIDE })
  normal(batch: EventBatch) {
    return this.projection.requests(batch);
  }

  // However few they are: what comes after them may have to wait, and the fetch loop must not.
  @OnBatch(TOPICS.requests.bulk, { sideBySide: SIDE_BY_SIDE, besideFrom: 1 })
  bulk(batch: EventBatch) {
    return this.projection.bulkRequests(batch);
  }

  @OnBatch(TOPICS.commands)
  commands(batch: EventBatch) {
    return this.projection.commands(batch);
  }

  @OnBatch(TOPICS.events, { sideBySide: SIDE_BY_SIDE })
  facts(batch: EventBatch) {
    return this.projection.facts(batch);
  }
}
