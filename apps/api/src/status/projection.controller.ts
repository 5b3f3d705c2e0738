import { Controller } from '@nestjs/common';
import { TOPICS } from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Pace } from '@bongsu/lanes';
import { Projection } from './projection.js';

/** A batch of facts that is larger tells of a backlog. */
const FEW = 100;
/** What bulk requests and facts have of the time in any case, percent. Facts are those of all lanes, in one topic. */
const REQUESTS_LEAST = 5;
const FACTS_LEAST = 50;

/** What group bongsu.status reads. Bulk gives way to urgent requests, which are accepted by the same process. */
@Controller()
export class ProjectionController {
  private readonly projection: Projection;
  private readonly pace: Pace;

  constructor(projection: Projection, pace: Pace) {
    this.projection = projection;
    this.pace = pace;
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
  async bulk(batch: EventBatch) {
    const began = performance.now();
    const rejected = await this.projection.requests(batch);
    await this.pace.rest(performance.now() - began, REQUESTS_LEAST, batch.signal);
    return rejected;
  }

  @OnBatch(TOPICS.commands)
  commands(batch: EventBatch) {
    return this.projection.commands(batch);
  }

  @OnBatch(TOPICS.events, { sideBySide: 2 })
  async facts(batch: EventBatch) {
    const began = performance.now();
    const rejected = await this.projection.facts(batch);
    if (batch.records.length > FEW) await this.pace.rest(performance.now() - began, FACTS_LEAST, batch.signal);
    return rejected;
  }
}
