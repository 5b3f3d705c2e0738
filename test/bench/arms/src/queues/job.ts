import { v7 } from 'uuid';

/** The same in each queue as in the record that the system itself reads. */
export interface Job {
  readonly id: string;
  readonly tenant: string;
  readonly recipient: { readonly id: string };
  readonly channels: readonly string[];
  readonly content: { readonly subject: string; readonly body: string };
  readonly acceptedAt: string;
}

const TEXT = 'The beacon is lit on the southern ridge, and the next one answers.';

export const jobs = (count: number): Job[] =>
  Array.from({ length: count }, (_, n) => ({
    id: v7(),
    tenant: 'default',
    recipient: { id: `user-${n % 10_000}` },
    channels: ['log'],
    content: { subject: String(n), body: TEXT },
    acceptedAt: new Date().toISOString(),
  }));

interface Asked {
  readonly do: 'fill' | 'go';
  readonly count?: number;
  /** How long the provider takes, milliseconds. */
  readonly ms?: number;
}

/** Answers the parent: fills when asked, lets the work begin when asked; who does the work tells when all of it is done. */
export function serve(fill: (count: number, ms: number) => Promise<string[]>, go: () => Promise<void> | void): void {
  process.on('message', (asked: Asked) => {
    if (asked.do === 'fill') void fill(asked.count ?? 0, asked.ms ?? 0).then((ids) => process.send!({ filled: ids }));
    else void go();
  });
  process.send!({ ready: true });
}

/** `count` at a time, in order. */
export function* slices<T>(values: readonly T[], count: number): Generator<T[]> {
  for (let from = 0; from < values.length; from += count) yield values.slice(from, from + count);
}
