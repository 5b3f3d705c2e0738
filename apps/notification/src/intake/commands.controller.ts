import {
  CANCEL_REQUESTED,
  ENABLE_REQUESTED,
  REDRIVE_REQUESTED,
  TOPICS,
  type CancelRequested,
  type EnableRequested,
  type EventRecord,
  type RedriveRequested,
} from '@bongsu/contracts';
import { OnBatch, type EventBatch } from '@bongsu/kafka';
import { Controller } from '@nestjs/common';
import { DisabledEndpoints } from '../endpoints/disabled-endpoints.js';
import { Engine } from '../engine.js';
import { Redrive } from '../redrive/redrive.js';

/** What is asked of notifications that were accepted before, and of the endpoints that they go to. */
@Controller()
export class CommandsController {
  readonly #engine: Engine;
  readonly #redrive: Redrive;
  readonly #endpoints: DisabledEndpoints;

  constructor(engine: Engine, redrive: Redrive, endpoints: DisabledEndpoints) {
    this.#engine = engine;
    this.#redrive = redrive;
    this.#endpoints = endpoints;
  }

  /** Runs of the same type go together; between runs the order stays that of the topic. */
  @OnBatch(TOPICS.commands)
  async handle(batch: EventBatch): Promise<void> {
    for (const run of runsOf(batch.records)) await this.#obey(batch.partition, run);
    this.#engine.publish();
  }

  #obey(partition: number, { type, data }: Run): Promise<unknown> {
    switch (type) {
      case CANCEL_REQUESTED:
        return this.#engine.cancel(partition, data as CancelRequested[]);
      case REDRIVE_REQUESTED:
        return this.#redrive.redrive(partition, data as RedriveRequested[]);
      case ENABLE_REQUESTED:
        return this.#endpoints.enable(data as EnableRequested[]);
      default:
        // A type of the topic's declaration that nobody has written a case for: a defect, and not a record to be skipped.
        throw new Error(`There is no handler of ${type}`);
    }
  }
}

interface Run {
  readonly type: string;
  readonly data: unknown[];
}

function runsOf(records: readonly EventRecord[]): Run[] {
  const runs: Run[] = [];
  for (const { event } of records) {
    const last = runs.at(-1);
    if (last?.type === event.type) last.data.push(event.data);
    else runs.push({ type: event.type, data: [event.data] });
  }
  return runs;
}
