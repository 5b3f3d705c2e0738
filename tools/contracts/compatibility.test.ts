import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as contracts from '@bongsu/contracts';
import { incompatibilities, problems } from './compatibility.ts';
import { goldenProblems, snapshotOf } from './golden.ts';
import { readRelease, writeRelease } from './released.ts';
import { topicsOf, type Contracts, type JsonSchema, type Snapshot, type TopicSnapshot } from './snapshot.ts';

const today = contracts as unknown as Contracts;
const released = snapshotOf(today, '9.8.7', new Date('2026-11-21T12:00:00Z'));
const REQUESTS = 'notification.requests.normal.v1';
const EVENTS = 'notification.events.v1';
const DELIVERED = 'bongsu.delivery.delivered.v1';

type Mutable = { -readonly [K in keyof TopicSnapshot]: TopicSnapshot[K] };

/** What is said when one topic is other than it was released. */
function afterChange(name: string, change: (topic: Mutable) => void): string[] {
  const topics = topicsOf(today).map((topic) => {
    if (topic.name === name) change(topic);
    return topic;
  });
  return problems(incompatibilities(released, topics), []);
}
const fieldOf = (topic: TopicSnapshot, type: string, field: string): Record<string, unknown> =>
  (topic.events[type] as { properties: Record<string, Record<string, unknown>> }).properties[field] ?? {};

describe('what is said', () => {
  test('of a value that consumers of the release do not know: field, rule and consumers', () => {
    const said = afterChange(EVENTS, (topic) => {
      const channel = fieldOf(topic, DELIVERED, 'channel');
      channel['enum'] = [...(channel['enum'] as string[]), 'push'];
    });
    expect(said).toEqual([
      `${EVENTS} ${DELIVERED} /channel: value-added: "push" was not allowed. api (bongsu.status) would refuse or misread records of today while they are still of 9.8.7`,
    ]);
  });

  test('of a narrower field: the consumers of today, which get the old records', () => {
    const said = afterChange(REQUESTS, (topic) => {
      fieldOf(topic, 'bongsu.notification.requested.v1', 'category')['maxLength'] = 32;
    });
    expect(said).toEqual([
      `${REQUESTS} bongsu.notification.requested.v1 /category: bound-narrowed: maxLength was 64 and is 32. notification (bongsu.notification), api (bongsu.status) would refuse records of 9.8.7`,
    ]);
  });

  test('of all lanes at once, once', () => {
    const topics = topicsOf(today);
    for (const topic of topics.filter(({ name }) => name.startsWith('notification.requests.')))
      fieldOf(topic, 'bongsu.notification.requested.v1', 'category')['maxLength'] = 32;
    const [said, ...more] = problems(incompatibilities(released, topics), []);
    expect(more).toEqual([]);
    expect(said).toMatch(/requests\.urgent\.v1, notification\.requests\.normal\.v1, notification\.requests\.bulk\.v1 /);
  });

  test.each<[what: string, change: (topic: Mutable) => void, said: RegExp]>([
    ['the key', (t) => (t.key = 'tenant'), /: key-changed: .*audit \(bongsu\.audit\), api .* are affected$/],
    ['the partitions', (t) => (t.partitions = 16), /: partitions-changed: partitions was 8 and is 16/],
    [
      'the cleanup policy',
      (t) => (t.cleanup = 'compact'),
      /: cleanup-changed: cleanup\.policy was delete and is compact/,
    ],
    ['a shorter retention', (t) => (t.retentionMs = 1), /: retention-shortened: retention\.ms was 604800000 and is 1/],
    [
      'its name',
      (t) => (t.name = 'notification.requests.normal.v2'),
      /: topic-removed: notification\.requests\.normal\.v1 is/,
    ],
    [
      'the group of a service',
      (t) => (t.readBy = t.readBy.map((reader) => ({ ...reader, group: `${reader.group}.2` }))),
      /: group-renamed: the group was bongsu\.notification and is bongsu\.notification\.2.* notification \(bongsu\.notification\.2\) are affected/,
    ],
    [
      'an event type less',
      (t) => (t.events = {}),
      /requested\.v1: type-removed: .*notification .* would refuse records of 9\.8\.7$/,
    ],
    [
      'an event type more',
      (t) => (t.events = { ...t.events, 'bongsu.other.v1': {} }),
      /bongsu\.other\.v1: type-added: .*notification .* while they are still of 9\.8\.7$/,
    ],
  ])('of a topic: %s', (_what, change, said) => {
    expect(afterChange(REQUESTS, change)[0]).toMatch(said);
  });

  test('nothing, of a longer retention, of a new topic, of what only those read to whom it is bytes', () => {
    expect(afterChange(REQUESTS, (topic) => (topic.retentionMs = -1))).toEqual([]);
    expect(
      afterChange('access.log.v1', (topic) => (topic.events = { ...topic.events, 'bongsu.other.v1': {} })),
    ).toEqual([]);
    const more = [...topicsOf(today), { ...topicsOf(today)[0]!, name: 'another.v1' }];
    expect(problems(incompatibilities(released, more), [])).toEqual([]);
  });
});

describe('what was decided on', () => {
  const longer = topicsOf(today).map((topic) => ({
    ...topic,
    partitions: topic.name === EVENTS ? 16 : topic.partitions,
  }));
  const decision = { release: '9.8.7', topic: EVENTS, type: '', field: '', rule: 'partitions-changed', why: 'a test' };

  test('is not said again', () => {
    expect(problems(incompatibilities(released, longer), [])).toHaveLength(1);
    expect(problems(incompatibilities(released, longer), [decision])).toEqual([]);
  });

  test('covers nothing else, and must not be idle', () => {
    expect(problems(incompatibilities(released, longer), [{ ...decision, rule: 'key-changed' }])).toHaveLength(2);
    expect(problems(incompatibilities(released, topicsOf(today)), [decision])[0]).toMatch(/delete the entry/);
  });
});

describe('golden records', () => {
  const withRecord = (name: string, change: object): Snapshot => ({
    ...released,
    records: released.records.map((record) => (record.name === name ? { ...record, ...change } : record)),
  });

  test('of today are read by today', () => expect(goldenProblems(today, released)).toEqual([]));

  test('that today cannot read are named', () => {
    const [said] = goldenProblems(today, withRecord('request: least', { value: '{}' }));
    expect(said).toMatch(/golden record "request: least" of 9\.8\.7 cannot be read by the contracts of today/);
  });

  test('that the release cannot read are named', () => {
    const strict = (schema: JsonSchema): JsonSchema => ({ ...schema, required: ['invented'] });
    const topics = released.topics.map((topic) => ({
      ...topic,
      events: Object.fromEntries(Object.entries(topic.events).map(([type, schema]) => [type, strict(schema)])),
    }));
    const said = goldenProblems(today, { ...released, topics });
    expect(said).toHaveLength(released.records.length);
    expect(said[0]).toMatch(/of today cannot be read by the contracts of 9\.8\.7/);
  });

  test.each([
    [{ key: 'other' }, /key-changed: was other/],
    [{ partition: 99 }, /partition-changed: was 99/],
    [{ headers: { ...released.records[0]?.headers, ce_more: 'a' } }, /header-removed: ce_more/],
    [{ name: 'request: forgotten' }, /has no counterpart today/],
  ])('with %j are held against those of today', (change, said) => {
    expect(goldenProblems(today, withRecord('request: least', change)).join('\n')).toMatch(said);
  });

  test('show every event type, and every field of its data', () => {
    // What no version can send yet.
    const notYet = new Set(['bongsu.notification.requested.v1 template']);
    const shown = new Set(
      released.records.flatMap(({ headers, value }) => [
        headers['ce_type'],
        ...Object.keys(JSON.parse(value) as object).map((field) => `${headers['ce_type']} ${field}`),
      ]),
    );
    const declared = released.topics.flatMap(({ events }) =>
      Object.entries(events).flatMap(([type, schema]) => [
        type,
        ...(type.startsWith('bongsu.delivery.') && !type.includes('redrive')
          ? []
          : Object.keys(schema['properties'] as object).map((field) => `${type} ${field}`)),
      ]),
    );
    expect(declared.filter((each) => !shown.has(each) && !notYet.has(each))).toEqual([]);
  });
});

describe('a release on disk', () => {
  let folder: string;
  beforeAll(async () => void (folder = await mkdtemp(join(tmpdir(), 'contracts-'))));
  afterAll(() => rm(folder, { recursive: true }));

  test('is read as it was written, and never written again', async () => {
    await writeRelease(released, folder);
    expect(await readRelease('9.8.7', folder)).toEqual(released);
    await expect(writeRelease(released, folder)).rejects.toThrow('9.8.7 is frozen already');
  });

  test('is written as the same bytes by whoever writes it', () => {
    expect(snapshotOf(today, '9.8.7', new Date(released.at))).toEqual(released);
  });
});
