import {
  Catch,
  Controller,
  Injectable,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type RpcExceptionFilter,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { BatchContext, OnBatch, type BatchOutcome, type EventBatch } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { from, of, tap, type Observable } from 'rxjs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bench, numbered, testTopic, type Numbered } from './harness.js';

const topic = testTopic('nest.v1');
const group = 'bongsu.notification';
let bench: Bench;
beforeEach(async () => {
  bench = await Bench.start([topic]);
});
afterEach(() => bench.end());

@Injectable()
class Ledger {
  readonly steps: string[] = [];
}

@Injectable()
class Traced implements NestInterceptor {
  readonly #ledger: Ledger;
  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const { batch } = context.switchToRpc().getContext<BatchContext>();
    this.#ledger.steps.push(`before ${batch.records.length}`);
    return next.handle().pipe(tap(() => this.#ledger.steps.push('after')));
  }
}

@Injectable()
class Doubled implements PipeTransform<EventBatch<Numbered>> {
  transform(batch: EventBatch<Numbered>): EventBatch<Numbered> {
    const records = batch.records.map((record) => ({
      ...record,
      event: { ...record.event, data: { n: record.event.data.n * 2 } },
    }));
    return { ...batch, records };
  }
}

@Injectable()
class Open implements CanActivate {
  readonly #ledger: Ledger;
  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }
  canActivate(): boolean {
    this.#ledger.steps.push('guard');
    return true;
  }
}

class Known extends Error {}

/** Turns an error that it knows into a rejection of every record. */
@Catch(Known)
class Rejects implements RpcExceptionFilter<Known> {
  catch(_: Known, host: ArgumentsHost): Observable<BatchOutcome> {
    const { batch } = host.switchToRpc().getContext<BatchContext>();
    const offsets = (batch as EventBatch).records.map(({ raw }) => raw.offset);
    return of(offsets.map((offset) => ({ offset, code: 'validation_failed', detail: 'known' }) as const));
  }
}

describe('a handler', () => {
  it('is an ordinary method of a Nest controller: injection, guard, interceptor, pipe', async () => {
    @Controller()
    @UseGuards(Open)
    @UseInterceptors(Traced)
    class Numbers {
      readonly #ledger: Ledger;
      constructor(ledger: Ledger) {
        this.#ledger = ledger;
      }
      @OnBatch(topic)
      @UsePipes(Doubled)
      take(@Payload() batch: EventBatch<Numbered>): Observable<undefined> {
        this.#ledger.steps.push(`n=${batch.records[0]!.event.data.n}`);
        return from([undefined]);
      }
    }
    const producer = await bench.producer();
    const app = await bench.app(bench.strategy(producer, { group }), [Numbers], [Ledger, Traced, Doubled, Open]);
    await producer.send(numbered(topic, 'k', 21));
    const { steps } = app.get(Ledger);
    await waitUntil('it has run', () => steps.includes('after'));
    expect(steps).toEqual(['guard', 'before 1', 'n=42', 'after']);
  });

  it('has its filters, and an error that none of them takes reaches the strategy as it is', async () => {
    let calls = 0;
    const causes: unknown[] = [];
    @Controller()
    @UseFilters(Rejects)
    class Numbers {
      @OnBatch(topic)
      take(batch: EventBatch<Numbered>): void {
        calls++;
        if (batch.records[0]!.event.data.n === 1) throw new Known();
        if (calls < 4) throw new RangeError('passed on');
      }
    }
    const producer = await bench.producer();
    const isInfrastructureError = (error: unknown) => causes.push(error) > 0;
    await bench.app(bench.strategy(producer, { group, isInfrastructureError }), [Numbers]);
    await producer.send(numbered(topic, 'k', 1));
    const [letter] = await waitUntil('the filter has rejected it', async () => {
      const letters = await bench.read(`${topic.name}.${group}.dlt`);
      return letters.length > 0 && letters;
    });
    expect(Object.fromEntries(letter!.headers.map(([name, value]) => [name, value.toString()]))['dlt_detail']).toBe(
      'known',
    );
    await producer.send(numbered(topic, 'k', 2));
    await waitUntil('the other error was classified, and its batch tried again', () => calls === 4);
    expect(causes).toHaveLength(2);
    expect(causes[0]).toBeInstanceOf(RangeError);
  });
});

describe('a start', () => {
  const other = testTopic('other.v1');
  const unread = { ...testTopic('unread.v1'), readBy: [] };
  async function refusal(controllers: (new () => object)[], topics = [topic, other, unread]): Promise<string> {
    const producer = await bench.producer();
    const starting = bench.app(bench.strategy(producer, { group, topics }), controllers);
    return starting.then(
      () => 'started',
      (error: Error) => error.message,
    );
  }

  @Controller()
  class OnlyOne {
    @OnBatch(topic)
    take(): void {}
  }
  @Controller()
  class Other {
    @OnBatch(other)
    take(): void {}
  }

  it('is refused when a topic has no handler', async () => {
    expect(await refusal([OnlyOne])).toContain('other.v1 has no handler');
  });

  it('is refused when a topic has two', async () => {
    @Controller()
    class Second {
      @OnBatch(topic)
      take(): void {}
    }
    expect(await refusal([OnlyOne, Second, Other])).toContain('nest.v1 has more than one handler');
  });

  it('is refused when a handler is for a topic that the group does not read', async () => {
    @Controller()
    class Unread {
      @OnBatch(unread)
      take(): void {}
    }
    expect(await refusal([OnlyOne, Other, Unread])).toContain(
      'unread.v1 has a handler, but the group does not read it',
    );
    expect(await refusal([OnlyOne, Other], [topic])).toContain('other.v1 is not a declared topic');
  });

  it('is refused when a handler takes bytes and the topic is declared to be read as events', async () => {
    @Controller()
    class Bytes {
      @OnBatch(topic, { as: 'bytes' })
      take(): void {}
    }
    expect(await refusal([Bytes, Other])).toContain(
      'nest.v1 is declared to be read as events, its handler takes bytes',
    );
  });
});
