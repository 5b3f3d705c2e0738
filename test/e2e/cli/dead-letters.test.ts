import { newNotificationId, TOPICS } from '@bongsu/contracts';
import type { KafkaProducer } from '@bongsu/kafka';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attempt,
  fact,
  factRecord,
  producerFor,
  recordsOf,
  requested,
  requestRecord,
  System,
} from '../api/api-system.js';

let system: System;
let producer: KafkaProducer;
beforeAll(async () => {
  system = await System.start('cli-letters', ['api']);
  producer = await producerFor(system);
});
afterAll(async () => {
  await producer.close();
  await system.stop();
});

const cli = (...args: string[]) => system.cli(['dead-letters', ...args], { LOG_LEVEL: 'silent' });
async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await cli(...args, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
}

describe('dead deliveries', () => {
  const ids: string[] = [];
  beforeAll(async () => {
    const failure = { code: 'http_503', message: 'The receiver answered\u001b[2J HTTP 503' };
    for (let i = 0; i < 3; i++) {
      const request = requested({ recipient: { id: 'dead' } });
      ids.unshift(request.id);
      await producer.sendAll([
        requestRecord(request),
        factRecord(fact(request, 1 + i, { status: 'dead', attempt: attempt(1 + i, 'retry', failure) })),
      ]);
    }
    await waitUntil('they are listed', async () => (await json<unknown[]>('list')).length === 3, { everyMs: 200 });
  });

  it('are listed, filtered, up to a limit', async () => {
    const all = await json<{ notificationId: string; attempts: number }[]>('list', '--recipient', 'dead');
    expect(all.map(({ notificationId, attempts }) => [notificationId, attempts])).toEqual([
      [ids[0], 3],
      [ids[1], 2],
      [ids[2], 1],
    ]);
    expect(await json('list', '--notification', ids[1]!)).toMatchObject([{ notificationId: ids[1] }]);
    expect(await json('list', '--to', '2026-01-01')).toEqual([]);
    const { stdout, stderr } = await cli('list', '--limit', '2');
    expect(stdout.trim().split('\n')).toHaveLength(3);
    expect(stdout).toMatch(/DEAD SINCE +NOTIFICATION +CHANNEL +RECIPIENT +WHY/);
    expect(stdout).toContain('http_503 after 3: The receiver answered\ufffd[2J HTTP 503');
    expect(stderr).toContain('There are more');
  });

  it('are redriven, but not for a look, nor unasked', async () => {
    expect(await json('redrive', '--recipient', 'dead', '--dry-run')).toEqual({ matched: 3 });
    expect((await cli('redrive', '--recipient', 'dead')).code).toBe(2);
    expect(await recordsOf(system, TOPICS.commands)).toEqual([]);
    const { code, stdout } = await cli('redrive', '--recipient', 'dead', '--rate', '0.5', '--limit', '2', '--yes');
    expect([code, stdout]).toEqual([0, '2 deliveries on their way, the last one due in 2 s\n']);
    expect(await recordsOf(system, TOPICS.commands)).toHaveLength(2);
  });

  it.each([
    [['redrive', '--rate', '0'], 2, '--rate'],
    [['redrive', '--rate', '10001', '--yes'], 1, '/ratePerSecond'],
    [['redrive', '--from', 'yesterday', '--yes'], 2, '--from'],
    [['redrive', '--limit', 'x', '--yes'], 2, '--limit'],
    [['list', '--channel', 'pigeon'], 1, 'channel'],
    [['list', '--limit', '0'], 2, '--limit'],
  ] as const)('refuse %j', async (args, code, about) => {
    const answer = await cli(...args);
    expect([answer.code, answer.stdout, answer.stderr]).toEqual([code, '', expect.stringContaining(about)]);
  });
});

describe('poison records', () => {
  const TOPIC = TOPICS.commands.name;
  const DLT = `${TOPIC}.bongsu.status.dlt`;
  const letters = () => recordsOf(system, DLT);
  const counted = async () =>
    (await json<{ name: string; records: number; waiting: number }[]>('topics')).find(({ name }) => name === DLT);
  beforeAll(async () => {
    const id = newNotificationId();
    await producer.sendRaw([
      { topic: TOPIC, partition: 3, key: Buffer.from(id), value: Buffer.from('{"not":\u0007'), headers: { a: 'b' } },
      { topic: TOPIC, partition: 3, key: null, value: Buffer.from([0xff, 0xfe]), headers: {} },
    ]);
    await waitUntil('they are set aside', async () => (await letters()).length === 2, { everyMs: 200 });
  });

  it('are counted and shown, to people and to programs', async () => {
    expect(await counted()).toMatchObject({ records: 2, waiting: 2 });
    const shown = await cli('show', TOPIC, '--group', 'bongsu.status');
    expect(shown.stdout).toContain(`0 of ${DLT}`);
    expect(shown.stdout).toContain('record_headers_invalid: Header ce_specversion is missing');
    expect(shown.stdout).toMatch(new RegExp(`from +${TOPIC}/3 at offset \\d+, written 20`));
    expect(shown.stdout).toContain('value    {"not":\ufffd');
    const exact = await json<{ key: string | null; value: string; partition: number; code: string }[]>('show', DLT);
    expect(exact.map(({ key, value, code }) => [key, value, code])).toEqual([
      [null, Buffer.from([0xff, 0xfe]).toString('base64'), 'record_key_missing'],
      [expect.any(String), Buffer.from('{"not":\u0007').toString('base64'), 'record_headers_invalid'],
    ]);
    expect(await json('show', TOPIC, '--limit', '1')).toHaveLength(1);
  });

  it('are replayed once: those that are poison still come back, counted', async () => {
    const replay = (...args: string[]) => json<unknown>('replay', TOPIC, '--group', 'bongsu.status', ...args);
    expect(await replay('--all', '--dry-run')).toEqual({ replayed: 2, before: 0 });
    const [first] = await json<{ partition: number; offset: string }[]>('show', DLT, '--limit', '1');
    const one = `${first!.partition}/${first!.offset}`;
    expect(await replay('--offset', one)).toEqual({ replayed: 1, before: 0 });
    expect(await replay('--offset', one)).toEqual({ replayed: 0, before: 1 });
    await waitUntil('it is back', async () => (await letters()).length === 3, { everyMs: 200 });
    expect(await counted()).toMatchObject({ records: 3, waiting: 2 });
    const [back] = await json<{ replays: number; code: string }[]>('show', DLT, '--limit', '1');
    expect(back).toMatchObject({ replays: 1, code: 'record_key_missing' });
    const { stdout } = await cli('replay', DLT, '--all');
    expect(stdout).toBe('2 replayed, 1 were before\n');
  });

  it.each([
    [['replay', TOPIC, '--all'], 2, '--group is needed'],
    [['replay', DLT], 2, 'Either --all or --offset'],
    [['replay', DLT, '--all', '--offset', '1/1'], 2, 'Either --all or --offset'],
    [['replay', DLT, '--offset', '1'], 2, '--offset must be'],
    [['replay', DLT, '--offset', '3/1000'], 1, 'There is no record 3/1000'],
    [['show', 'no.such.topic'], 2, 'has no dead letters'],
    [['show', TOPIC, '--group', 'nobody'], 2, 'there are bongsu.notification'],
  ] as const)('refuse %j', async (args, code, about) => {
    const answer = await cli(...args);
    expect([answer.code, answer.stdout, answer.stderr]).toEqual([code, '', expect.stringContaining(about)]);
  });

  it('say when Kafka is not there', async () => {
    const { code, stderr } = await system.cli(['dead-letters', 'topics'], { KAFKA_BROKERS: '127.0.0.1:1' });
    expect([code, stderr]).toEqual([3, expect.stringContaining('KAFKA_BROKERS')]);
  });
});
