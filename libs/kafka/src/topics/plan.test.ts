import { ALL_TOPICS, TOPICS, type TopicDeclaration } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { planTopics, wantedTopics, type ActualTopic, type PlanOptions } from './plan.js';
import { parseTopicOverrides } from './settings.js';

const options: PlanOptions = { prefix: '', replicas: 1, overrides: new Map() };
const commands: TopicDeclaration = TOPICS.commands;
const actualOf = (declared: readonly TopicDeclaration[], given = options): ActualTopic[] =>
  wantedTopics(declared, new Map(), given).map((topic) => ({ ...topic }));

describe('planTopics', () => {
  it('creates everything in an empty cluster: each declared topic and a dead-letter topic per reader', () => {
    const { changes, notes } = planTopics(ALL_TOPICS, [], options);
    const names = changes.map((change) => (change.kind === 'create' ? change.topic.name : change.kind));
    expect(names).toContain('notification.requests.urgent.v1');
    expect(names).toContain('notification.requests.urgent.v1.bongsu.notification.dlt');
    expect(names).toContain('notification.events.v1.bongsu.status.dlt');
    expect(names).toContain('access.keys.v1.bongsu.audit.dlt');
    expect(names.filter((name) => name.startsWith('audit.checkpoints.v1.'))).toEqual([
      'audit.checkpoints.v1.bongsu.audit.dlt',
    ]);
    expect(new Set(names).size).toBe(names.length);
    expect(notes).toEqual([]);
  });

  it('changes nothing when everything is as declared', () => {
    const plan = planTopics(ALL_TOPICS, actualOf(ALL_TOPICS), options);
    expect(plan).toMatchObject({ changes: [], notes: [] });
    expect(plan.unchanged).toHaveLength(actualOf(ALL_TOPICS).length);
  });

  it('declares what is kept: time for events, the last value for entities, 30 days for dead letters', () => {
    const topics = new Map(wantedTopics(ALL_TOPICS, new Map(), options).map((topic) => [topic.name, topic.config]));
    expect(topics.get('notification.events.v1')).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': '604800000',
    });
    expect(topics.get('directory.recipients.v1')).toEqual({
      'cleanup.policy': 'compact',
      'compression.type': 'uncompressed',
      'min.insync.replicas': '1',
    });
    expect(topics.get('audit.checkpoints.v1')).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '-1' });
    expect(topics.get('directory.recipients.v1.bongsu.audit.dlt')).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': '2592000000',
    });
  });

  it('adds partitions, never takes any away, and dead letters follow', () => {
    const more = planTopics([commands], actualOf([commands]), {
      ...options,
      overrides: new Map([[commands.name, { partitions: 12, replicas: 1 }]]),
    });
    expect(more.changes).toHaveLength(1 + commands.readBy.length);
    expect(more.changes[0]).toEqual({ kind: 'add-partitions', name: commands.name, from: 8, to: 12 });
    const [topic, ...deadLetters] = actualOf([commands]);
    const fewer = planTopics([commands], [{ ...topic!, partitions: 20 }, ...deadLetters], options);
    expect(fewer.notes).toEqual([`${commands.name} has 20 partitions, 8 are declared: it keeps them`]);
    expect(fewer.changes).toEqual(deadLetters.map(({ name }) => ({ kind: 'add-partitions', name, from: 8, to: 20 })));
  });

  it('shows drift of what is declared and leaves the rest alone', () => {
    const [topic, ...rest] = actualOf([commands]);
    const config = { ...topic!.config, 'retention.ms': '5', 'segment.ms': '7' };
    expect(planTopics([commands], [{ ...topic!, config }, ...rest], options).changes).toEqual([
      { kind: 'configure', name: commands.name, changes: [{ name: 'retention.ms', from: '5', to: '604800000' }] },
    ]);
  });

  it('wants two in-sync replicas of three, and only notes that replicas differ', () => {
    const wanted = wantedTopics([commands], new Map(), { ...options, replicas: 3 });
    expect(wanted.every(({ replicas, config }) => replicas === 3 && config['min.insync.replicas'] === '2')).toBe(true);
    const plan = planTopics([commands], actualOf([commands]), { ...options, replicas: 3 });
    expect(plan.notes[0]).toContain('has 1 replica(s), 3 declared');
    expect(plan.changes).toEqual([]);
  });

  it('asks for as many in-sync replicas as the topic can have, whatever is declared', () => {
    const three = { ...options, replicas: 3 };
    const actual = actualOf([commands], three);
    expect(planTopics([commands], actual, options).changes).toEqual([]);
    const grown = actualOf([commands]).map((topic) => ({ ...topic, replicas: 3 }));
    const [first] = planTopics([commands], grown, three).changes;
    expect(first).toMatchObject({ changes: [{ name: 'min.insync.replicas', from: '1', to: '2' }] });
  });

  it('puts the prefix before every name and takes overrides without it', () => {
    const overrides = new Map([
      [commands.name, { partitions: 2, replicas: 1 }],
      ['no.such.topic', { partitions: 2, replicas: 1 }],
    ]);
    const { changes, notes } = planTopics([commands], [], { prefix: 'test.', replicas: 1, overrides });
    const topics = changes.flatMap((change) => (change.kind === 'create' ? [change.topic] : []));
    expect(topics.every(({ name, partitions }) => name.startsWith('test.') && partitions === 2)).toBe(true);
    expect(notes).toEqual(['KAFKA_TOPICS names no.such.topic, which is not a declared topic']);
  });
});

describe('parseTopicOverrides', () => {
  it('reads name:partitions:replicas', () => {
    expect([...parseTopicOverrides(' a.v1:3:1, b.v1:12:3 ,')]).toEqual([
      ['a.v1', { partitions: 3, replicas: 1 }],
      ['b.v1', { partitions: 12, replicas: 3 }],
    ]);
    expect(parseTopicOverrides('').size).toBe(0);
  });

  it.each(['a', 'a:1', 'a:0:1', 'a:1:0', 'a:1:1:1', 'a b:1:1', 'a:-1:1', 'a:1.5:1', ':1:1', 'a:1:1,a:2:1'])(
    'refuses %j',
    (text) => {
      expect(() => parseTopicOverrides(text)).toThrow(/must be|twice/);
    },
  );
});
