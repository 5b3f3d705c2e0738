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
  bulk(batch: EventBatch) {
    return this.paced(batch, REQUESTS_LEAST, () => this.projection.requests(batch));
  }

  @OnBatch(TOPICS.commands)
  commands(batch: EventBatch) {
    return this.projection.commands(batch);
  }

  @OnBatch(TOPICS.events, { sideBySide: 2 })
  facts(batch: EventBatch) {
    const project = () => this.projection.facts(batch);
    return batch.records.length > FEW ? this.paced(batch, FACTS_LEAST, project) : project();
  }

  /** Rests after the work, which has at least so many percent of the time. */
  private async paced<T>(batch: EventBatch, least: number, work: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const done = await work();
    await this.pace.rest(performance.now() - began, least, batch.signal);
    return done;
  }
}
