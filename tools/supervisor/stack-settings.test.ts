import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serviceEnvironment } from './parts.ts';
import { PORT_VARIABLES } from './stack-ports.ts';
import { readStackSettings } from './stack-settings.ts';

const KEY = 'k'.repeat(32);

describe('the local stack', () => {
  it('has the ports that the documentation names', () => {
    const { settings, problems } = readStackSettings({});
    expect(problems).toEqual([]);
    expect(settings.ports).toEqual({
      API_PORT: 3000,
      AUDIT_PORT: 3002,
      API_MANAGEMENT_PORT: 9464,
      NOTIFICATION_MANAGEMENT_PORT: 9465,
      AUDIT_MANAGEMENT_PORT: 9466,
      KAFKA_PORT: 9092,
      KAFKA_INTERNAL_PORT: 19092,
      KAFKA_DOCKER_PORT: 29092,
      KAFKA_JMX_PORT: 1234,
      ZOOKEEPER_PORT: 2181,
      ZOOKEEPER_JMX_PORT: 1235,
      POSTGRES_PORT: 15432,
      SMTP_PORT: 1025,
      MAIL_PORT: 8025,
    });
  });

  it.each(PORT_VARIABLES)('moves a port by %s', (variable) => {
    expect(readStackSettings({ [variable]: '12345' }).settings.ports[variable]).toBe(12_345);
  });

  it('has Kafka Connect when it is asked for, with files below its home or where the environment says', () => {
    const { connect, connectFiles, uses } = readStackSettings({ BONGSU_HOME: '/here' }, { connect: true }).settings;
    expect({ connect, connectFiles }).toEqual({
      connect: 8083,
      connectFiles: { requests: '/here/connect/requests.ndjson', events: '/here/connect/events.ndjson' },
    });
    expect(uses.at(-1)).toMatchObject({ variable: 'CONNECT_PORT', port: 8083 });
    const moved = readStackSettings({ CONNECT_PORT: '1', CONNECT_EVENTS_FILE: '/there' }, { connect: true }).settings;
    expect([moved.connect, moved.connectFiles.events]).toEqual([1, '/there']);
    expect(readStackSettings({}).settings.uses.map(({ variable }) => variable)).not.toContain('CONNECT_PORT');
  });

  it('takes an empty variable for one that is not set', () => {
    const { settings, problems } = readStackSettings({ API_PORT: '', BOOTSTRAP_API_KEY: ' ', LOG_LEVEL: '' });
    expect(problems).toEqual([]);
    expect(settings).toMatchObject({ apiKey: undefined, showServices: false });
    expect(settings.ports.API_PORT).toBe(3000);
  });

  it('names everything that is wrong at once', () => {
    const { problems } = readStackSettings({
      API_PORT: 'http',
      AUDIT_PORT: '70000',
      SMTP_PORT: '2181',
      BOOTSTRAP_API_KEY: 'short',
    });
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'API_PORT',
      'AUDIT_PORT',
      'ZOOKEEPER_PORT',
      'BOOTSTRAP_API_KEY',
    ]);
    expect(problems.join()).not.toContain('short');
  });
});

describe('a cluster', () => {
  it('has three brokers and three ZooKeepers, each with ports of its own', () => {
    const { settings, problems } = readStackSettings({ BONGSU_HOME: '/data/bongsu' }, { brokers: 3 });
    expect(problems).toEqual([]);
    expect(settings.brokers).toEqual([
      { id: 1, external: 9092, internal: 19092, docker: 29092, metrics: 1234 },
      { id: 2, external: 9093, internal: 19093, docker: 29093, metrics: 2234 },
      { id: 3, external: 9094, internal: 19094, docker: 29094, metrics: 3234 },
    ]);
    expect(settings.zooKeepers).toEqual([
      { id: 1, client: 2181, metrics: 1235, peer: 2888, election: 3888 },
      { id: 2, client: 2182, metrics: 2235, peer: 2889, election: 3889 },
      { id: 3, client: 2183, metrics: 3235, peer: 2890, election: 3890 },
    ]);
    expect(new Set(settings.uses.map(({ port }) => port)).size).toBe(14 + 2 * 4 + 2 * 2 + 3 * 2);
  });

  it('keeps its data apart from those of a single broker, and the keys with them', () => {
    const { settings } = readStackSettings({ BONGSU_HOME: '/data/bongsu' }, { brokers: 3 });
    expect(settings).toMatchObject({ home: '/data/bongsu/cluster', keysHome: '/data/bongsu' });
    expect(readStackSettings({ BONGSU_HOME: '/data/bongsu' }).settings).toMatchObject({
      home: '/data/bongsu',
      keysHome: '/data/bongsu',
    });
  });

  it('moves each port by a variable that it names', () => {
    const { uses } = readStackSettings({}, { brokers: 5 }).settings;
    for (const { variable } of uses) {
      const { settings, problems } = readStackSettings({ [variable]: '12345' }, { brokers: 5 });
      expect(problems).toEqual([]);
      expect(settings.uses.filter(({ port }) => port === 12_345).map((use) => use.variable)).toEqual([variable]);
    }
    expect(uses.map(({ variable }) => variable)).toEqual(
      expect.arrayContaining(['KAFKA_4_PORT', 'KAFKA_5_INTERNAL_PORT', 'ZOOKEEPER_2_JMX_PORT', 'ZOOKEEPER_PEER_PORT']),
    );
  });

  it.each([2, 6, 3.5, Number.NaN, 0, -1])('of %d brokers is refused', (brokers) => {
    expect(readStackSettings({}, { brokers }).problems).toEqual(['--cluster takes 3 to 5 brokers']);
  });

  it('tells the services all of its brokers', () => {
    const { settings } = readStackSettings({ KAFKA_2_PORT: '10001' }, { brokers: 3 });
    const env = serviceEnvironment(
      'api',
      settings,
      { apiKey: KEY, webhookSecret: 'whsec_x', auditSaltKey: 'c2FsdA==', auditSigningKey: 'c2VlZA==' },
      {},
    );
    expect(env['KAFKA_BROKERS']).toBe('127.0.0.1:9092,127.0.0.1:10001,127.0.0.1:9094');
  });
});

describe('a service of the local stack', () => {
  const { settings } = readStackSettings({
    KAFKA_PORT: '10001',
    POSTGRES_PORT: '10002',
    SMTP_PORT: '10003',
    BONGSU_AUDIT_DB_PASSWORD: 'p@ss/word',
  });
  const secrets = { apiKey: KEY, webhookSecret: 'whsec_x', auditSaltKey: 'c2FsdA==', auditSigningKey: 'c2VlZA==' };

  it('is told where its own stack is, whatever the environment says', () => {
    const env = serviceEnvironment('api', settings, secrets, {
      KAFKA_BROKERS: 'elsewhere:9092',
      DATABASE_URL: 'postgres://elsewhere',
      PORT: '1',
    });
    expect(env).toMatchObject({
      PORT: '3000',
      MANAGEMENT_PORT: '9464',
      KAFKA_BROKERS: '127.0.0.1:10001',
      DATABASE_URL: 'postgres://bongsu_api:bongsu_api@127.0.0.1:10002/bongsu',
      BOOTSTRAP_API_KEY: KEY,
    });
  });

  it('alone of all gets the keys of salts and checkpoints, and a file for these, when it is the audit', () => {
    const env = serviceEnvironment('audit', settings, secrets, {});
    expect(env).toMatchObject({ AUDIT_SALT_KEY: 'c2FsdA==', AUDIT_SIGNING_KEY: 'c2VlZA==' });
    expect(env['AUDIT_CHECKPOINT_FILE']).toBe(join(settings.home, 'audit-checkpoints'));
    const chosen = serviceEnvironment('audit', settings, secrets, { AUDIT_CHECKPOINT_FILE: '/elsewhere' });
    expect(chosen['AUDIT_CHECKPOINT_FILE']).toBe('/elsewhere');
    for (const service of ['api', 'notification'] as const) {
      const others = serviceEnvironment(service, settings, secrets, {});
      expect(Object.keys(others).filter((name) => name.startsWith('AUDIT_'))).toEqual([]);
    }
  });

  it('gets the mail catcher and webhooks to this machine, unless the environment has chosen', () => {
    expect(serviceEnvironment('notification', settings, secrets, {})).toMatchObject({
      SMTP_URL: 'smtp://127.0.0.1:10003',
      WEBHOOK_ALLOWED_NETWORKS: '127.0.0.0/8,::1/128',
    });
    const chosen = {
      SMTP_URL: 'smtps://mail.example.org',
      WEBHOOK_ALLOWED_NETWORKS: '10.0.0.0/8',
      SMTP_FROM: 'us@example.org',
    };
    expect(serviceEnvironment('notification', settings, secrets, chosen)).toMatchObject(chosen);
  });

  it('has a password that is written so that an address can hold it', () => {
    const { DATABASE_URL = '' } = serviceEnvironment('audit', settings, secrets, {});
    expect(decodeURIComponent(new URL(DATABASE_URL).password)).toBe('p@ss/word');
  });
});
