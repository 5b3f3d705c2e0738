import { ALL_TOPICS, deadLetterTopic, GROUPS, REPLAY_GROUP, type Group, type Service } from '@bongsu/contracts';
import { waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Probe, refusalOf } from './probes.js';
import { SecureSystem } from './system.js';

/*
 * What each user may do, tried on a broker request by request: the whole of topics x users x reading and writing. What is
 * expected is said here anew, in the topic table's words, and not taken from the code that makes the rights.
 */

const SERVICES: readonly Service[] = ['api', 'notification', 'audit'];
const USERS = [...SERVICES, 'operator', 'connect'] as const;
type Who = (typeof USERS)[number];
const GROUP_OWNER: Record<Group, Service> = {
  [GROUPS.notification]: 'notification',
  [GROUPS.status]: 'api',
  [GROUPS.audit]: 'audit',
};

interface Expected {
  readonly topic: string;
  readonly writers: readonly Who[];
  readonly readers: readonly Who[];
}

const declared = ALL_TOPICS.map((topic): Expected => ({
  topic: topic.name,
  writers: [
    topic.writtenBy,
    ...(topic.writtenBy === 'operator' ? (['connect'] as const) : []),
    // Keys that were refused, and readings of the trail, are written by the service that has seen them.
    ...(topic.name === 'access.log.v1' ? (['audit'] as const) : []),
    ...(topic.readBy.some(({ as }) => as === 'events') ? (['operator'] as const) : []),
  ],
  readers: [
    ...new Set(topic.readBy.map(({ service }) => service)),
    'operator',
    ...(topic.name === 'notification.events.v1' ? (['connect'] as const) : []),
  ],
}));
const deadLetters = ALL_TOPICS.flatMap((topic) =>
  topic.readBy.map(({ group, service }): Expected => ({
    topic: deadLetterTopic(topic.name, group),
    writers: [service],
    readers: ['operator'],
  })),
);

const readableBy = (who: Who): string => (who === 'connect' ? 'notification.events.v1' : 'notification.commands.v1');

let system: SecureSystem;
const probes = new Map<Who, Probe>();
const probe = (who: Who): Probe => probes.get(who)!;
beforeAll(async () => {
  system = await SecureSystem.start({ postgres: false });
  const admin = await Probe.as(system.settings('bongsu-admin'));
  // Kafka makes its topic of groups when somebody first asks for one, and knows none until then.
  for (const group of [...Object.values(GROUPS), REPLAY_GROUP, 'connect-events-to-file']) {
    await waitUntil(`there is a group ${group}`, async () => {
      await admin.admin.fetchOffsets({ groupId: group, topics: [] });
      return (await admin.commit(group, 'notification.commands.v1')) === 'allowed';
    });
  }
  await admin.close();
  for (const who of USERS) probes.set(who, await Probe.as(system.settings(`bongsu-${who}`)));
}, 120_000);
afterAll(async () => {
  for (const each of probes.values()) await each.close();
  await system?.stop();
});

const REFUSED = 'TOPIC_AUTHORIZATION_FAILED';

describe.each(USERS)('%s', (who) => {
  test.each([...declared, ...deadLetters])('$topic', async ({ topic, writers, readers }) => {
    expect({ write: await probe(who).write(topic), read: await probe(who).read(topic) }).toEqual({
      write: writers.includes(who) ? 'allowed' : REFUSED,
      read: readers.includes(who) ? 'allowed' : REFUSED,
    });
  });

  test.each(Object.values(GROUPS))('group %s', async (group) => {
    const isOwn = GROUP_OWNER[group] === who;
    const topic = readableBy(who);
    const mayLook = isOwn || who === 'audit' || who === 'operator';
    expect({
      commit: await probe(who).commit(group, topic),
      describe: await probe(who).describeGroup(group, topic),
    }).toEqual({
      commit: isOwn ? 'allowed' : 'GROUP_AUTHORIZATION_FAILED',
      describe: mayLook ? 'allowed' : 'GROUP_AUTHORIZATION_FAILED',
    });
  });

  test('what was replayed, and groups of others', async () => {
    const topic = readableBy(who);
    expect(await probe(who).commit('connect-events-to-file', topic)).toBe(
      who === 'connect' ? 'allowed' : 'GROUP_AUTHORIZATION_FAILED',
    );
    expect(await probe(who).commit(REPLAY_GROUP, topic)).toBe(
      who === 'operator' ? 'allowed' : 'GROUP_AUTHORIZATION_FAILED',
    );
    expect(await probe(who).commit('somebody.else', topic)).toBe('GROUP_AUTHORIZATION_FAILED');
    // Who may not even see a group is not told where it is, and kafkajs says no more than that.
    expect(await probe(who).deleteGroup('bongsu.notification')).toMatch(
      /^GROUP_AUTHORIZATION_FAILED$|GroupCoordinatorNotFound/,
    );
  });

  test('neither topics nor users nor rights can be changed', async () => {
    const { admin } = probe(who);
    const topics = [{ topic: `made-by-${who}`, numPartitions: 1 }];
    expect(await refusalOf(admin.createTopics({ topics }))).toMatch(/AUTHORIZATION_FAILED/);
    expect(await refusalOf(admin.deleteTopics({ topics: ['notification.commands.v1'] }))).toMatch(
      /AUTHORIZATION_FAILED/,
    );
    const apply = system.cli(['access', 'apply', '--yes', '--passwords', system.secrets.folder], `bongsu-${who}`);
    await expect(apply).rejects.toThrow(/[Aa]uthorization failed/);
  });
});

test('the audit service may make its own group forget its offsets', async () => {
  expect(await probe('audit').deleteGroup(GROUPS.audit)).toBe('allowed');
});

describe('bongsu access', () => {
  test('finds each user with what the table says, and nothing else', async () => {
    expect(await system.cli(['access', 'plan'])).toContain('Each user may do what the table says, and nothing else');
  });

  test('finds what was given beyond the table, and takes it when asked to', async () => {
    const admin = await Probe.as(system.settings('bongsu-admin'));
    try {
      await admin.admin.createAcls({
        acl: [
          {
            principal: 'User:bongsu-api',
            host: '*',
            resourceType: 2,
            resourceName: 'audit.',
            resourcePatternType: 4,
            operation: 4,
            permissionType: 3,
          },
        ],
      });
    } finally {
      await admin.close();
    }
    await expect(system.cli(['access', 'plan'])).rejects.toThrow(
      /ended with 1: Beyond the table[^]*bongsu-api +WRITE +topic +audit\.…/,
    );
    await system.cli(['access', 'apply', '--yes']);
    await expect(system.cli(['access', 'plan'])).rejects.toThrow(/Beyond the table/);
    await system.cli(['access', 'apply', '--yes', '--take-beyond']);
    await system.cli(['access', 'plan']);
    expect(await probe('api').write('audit.checkpoints.v1')).toBe(REFUSED);
  });
});
