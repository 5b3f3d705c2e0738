import { describe, expect, it } from 'vitest';
import { LineSplitter, worthShowing } from './log-lines.ts';

describe('what the screen shows of a log', () => {
  it.each([
    ['service', '{"level":30,"msg":"listening"}', undefined],
    ['service', '{"level":40,"msg":"Kafka is away","err":{"message":"refused"}}', 'WARN Kafka is away (refused)'],
    ['service', '{"level":"error","msg":"no"}', 'ERROR no'],
    ['service', '{"level":50,"broken', '{"level":50,"broken'],
    ['service', 'TypeError: x is not a function', 'TypeError: x is not a function'],
    ['java', '2026-11-21 05:00:00,000 INFO started (kafka.server.KafkaServer)', undefined],
    ['java', '2026-11-21 05:00:00,000 WARN a client went away (kafka)', undefined],
    ['java', '2026-11-21 05:00:00,000 ERROR the disk is full (kafka.log)', 'ERROR the disk is full (kafka.log)'],
    ['postgres', '2026-11-21 05:00:00.000 UTC [12] bongsu_api ERROR:  duplicate key', undefined],
    ['postgres', '2026-11-21 05:00:00.000 UTC [12] postgres FATAL:  the database system is starting up', undefined],
    ['postgres', '2026-11-21 05:00:00.000 UTC [12] PANIC:  could not write', 'PANIC:  could not write'],
    ['plain', 'cannot listen', 'cannot listen'],
    ['plain', '  ', undefined],
  ] as const)('%s: %s', (format, line, shown) => {
    expect(worthShowing(format, line)).toBe(shown);
  });
});

describe('cutting into lines', () => {
  it('puts together what came in pieces, in the middle of a character too', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    const bytes = Buffer.from('첫 줄\nsecond\nrest');
    for (const byte of bytes) splitter.push(Buffer.from([byte]));
    expect(lines).toEqual(['첫 줄', 'second']);
  });

  it('does not keep a line that never ends', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    for (let pushes = 0; pushes < 20; pushes += 1) splitter.push(Buffer.alloc(10_000, 'x'));
    expect(lines.length).toBeGreaterThan(0);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80_000);
  });
});
