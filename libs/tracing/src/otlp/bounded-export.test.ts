import { ROOT_CONTEXT } from '@opentelemetry/api';
import { TracerProvider, type ReadableSpan, type SpanExporter } from '@opentelemetry/sdk-trace';
import { createLogger } from '@bongsu/observability';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { BoundedExport } from './bounded-export.js';
import { tracingSpans } from './metrics.js';

type Done = Parameters<SpanExporter['export']>[1];

/** An exporter whose collector answers when the test says so. */
class HeldExporter implements SpanExporter {
  readonly requests: { readonly spans: readonly ReadableSpan[]; readonly done: Done }[] = [];
  export(spans: ReadableSpan[], done: Done): void {
    this.requests.push({ spans, done });
  }
  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

function rig() {
  vi.useFakeTimers();
  tracingSpans.reset();
  const lines: string[] = [];
  const exporter = new HeldExporter();
  const logger = createLogger('test', 'info', { write: (line) => lines.push(line) });
  const processor = new BoundedExport(exporter, logger);
  const tracer = new TracerProvider({ spanProcessors: [processor] }).getTracer('test');
  const end = (count: number): void => {
    for (let n = 0; n < count; n++) tracer.startSpan('work', {}, ROOT_CONTEXT).end();
  };
  const counted = async () =>
    Object.fromEntries((await tracingSpans.get()).values.map(({ labels, value }) => [labels.result, value]));
  /** Answers what was asked and what is asked because of that. */
  const answerAll = async (code: 0 | 1): Promise<void> => {
    while (exporter.requests.length > 0) {
      const error = code === 1 ? { error: new Error('refused') } : {};
      exporter.requests.shift()!.done({ code, ...error });
      await vi.advanceTimersByTimeAsync(1_000);
    }
  };
  return { exporter, processor, end, counted, answerAll, lines };
}
afterEach(() => void vi.useRealTimers());

describe('BoundedExport', () => {
  it('sends in batches, one after the other', async () => {
    const { exporter, end, counted, answerAll } = rig();
    end(1_300);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(exporter.requests.map(({ spans }) => spans.length)).toEqual([512]);
    await answerAll(0);
    expect(await counted()).toEqual({ exported: 1_300 });
  });

  it('keeps a bounded number while the collector does not answer, and counts what it drops', async () => {
    const { exporter, end, counted, answerAll, lines } = rig();
    end(20_000);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(exporter.requests).toHaveLength(1);
    expect(await counted()).toEqual({ dropped: 20_000 - 8_192 });
    expect(lines.filter((line) => line.includes('dropped'))).toHaveLength(1);
    await answerAll(0);
    expect(await counted()).toEqual({ dropped: 20_000 - 8_192, exported: 8_192 });
    end(10);
    await vi.advanceTimersByTimeAsync(1_000);
    await answerAll(0);
    expect(await counted()).toEqual({ dropped: 20_000 - 8_192, exported: 8_202 });
  });

  it('makes room again also by failures, and says so once per outage', async () => {
    const { end, counted, answerAll, lines } = rig();
    for (let outage = 0; outage < 2; outage++) {
      end(2_000);
      await vi.advanceTimersByTimeAsync(1_000);
      await answerAll(1);
      end(10);
      await vi.advanceTimersByTimeAsync(1_000);
      await answerAll(0);
    }
    expect(await counted()).toEqual({ failed: 4_000, exported: 20 });
    expect(lines.map((line) => (JSON.parse(line) as { level: string }).level)).toEqual([
      'warn',
      'info',
      'warn',
      'info',
    ]);
  });

  it('sends what is left at the end', async () => {
    const { processor, end, counted, answerAll } = rig();
    end(600);
    const ended = processor.shutdown();
    await vi.advanceTimersByTimeAsync(0);
    await answerAll(0);
    await ended;
    expect(await counted()).toEqual({ exported: 600 });
  });
});
