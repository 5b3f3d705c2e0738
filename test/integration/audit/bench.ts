import { randomBytes } from 'node:crypto';
import { readSettings } from '@bongsu/config';
import {
  ACCESS_KEY_CHANGED,
  AUDITED_TOPICS,
  encodeEvent,
  hashApiKey,
  NOTIFICATION_REQUESTED,
  newEventId,
  notificationKey,
  TOPICS,
  type AccessKeyChanged,
  type OutgoingRecord,
} from '@bongsu/contracts';
import { KafkaProducer, TopicAdmin } from '@bongsu/kafka';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { inject } from 'vitest';
import { createService, startService, stopService } from '../../../apps/audit/src/service.js';
import { AUDIT_SETTINGS, type AuditSettings } from '../../../apps/audit/src/settings.js';
import { freshAudit, logger, type AuditDatabase } from './database.js';

export const OPERATOR = 'operator-0123456789-0123456789-0123456789';
export const PARTITIONS = 2;

/** The audit service in this process, on topics and a database of its own. */
export class AuditBench {
  readonly database: AuditDatabase;
  readonly producer: KafkaProducer;
  readonly settings: AuditSettings;
  readonly #services: NestFastifyApplication[] = [];

  private constructor(database: AuditDatabase, settings: AuditSettings) {
    this.database = database;
    this.settings = settings;
    this.producer = new KafkaProducer({ settings, clientId: 'audit-test', logger });
  }

  static async start(): Promise<AuditBench> {
    const database = await freshAudit();
    const settings = readSettings(AUDIT_SETTINGS, {
      KAFKA_BROKERS: inject('bongsu').kafkaBrokers,
      KAFKA_TOPIC_PREFIX: `audit-${randomBytes(4).toString('hex')}.`,
      DATABASE_URL: database.url,
      BOOTSTRAP_API_KEY: OPERATOR,
      AUDIT_SALT_KEY: 'ab'.repeat(32),
    });
    const bench = new AuditBench(database, settings);
    const admin = new TopicAdmin({ settings, logger, topics: AUDITED_TOPICS });
    const fewer = new Map(AUDITED_TOPICS.map(({ name }) => [name, { partitions: PARTITIONS, replicas: 1 }]));
    await admin.apply(await admin.plan(fewer));
    await admin.close();
    await bench.producer.connect();
    return bench;
  }

  /** Starts a replica; gives the address of its HTTP interface. */
  async replica(
    more: Partial<AuditSettings> = {},
  ): Promise<{ url: string; app: NestFastifyApplication; stop: () => Promise<void> }> {
    const settings = { ...this.settings, ...more };
    const app = await createService(settings, logger, new AbortController().signal);
    this.#services.push(app);
    const stop = async (): Promise<void> => {
      this.#services.splice(this.#services.indexOf(app), 1);
      await stopService(app);
    };
    try {
      await startService(app, { ...settings, PORT: 0 }, logger);
    } catch (error) {
      // What cannot start ends its process; here it would go on reading a store that the test drops.
      await stop();
      throw error;
    }
    const url = (await app.getUrl()).replace('[::1]', '127.0.0.1').replace('0.0.0.0', '127.0.0.1');
    return { url, app, stop };
  }

  async end(): Promise<void> {
    await Promise.all(this.#services.map(stopService));
    await this.producer.close();
    await this.database.close();
  }
}

/** A request as the API would write it. */
export function request(id: string, tenant: string, recipient: string): OutgoingRecord {
  const acceptedAt = new Date().toISOString();
  return encodeEvent(TOPICS.requests.normal, notificationKey(tenant, recipient), {
    id,
    source: '/bongsu/api',
    type: NOTIFICATION_REQUESTED,
    subject: id,
    time: acceptedAt,
    data: {
      id,
      tenant,
      recipient: { id: recipient },
      channels: ['log'],
      priority: 'normal',
      acceptedAt,
      apiKeyId: 'k',
    },
  });
}

/** A change of an API key as the API would publish it. */
export function keyChange(key: string, id: string, change: Partial<AccessKeyChanged>): OutgoingRecord {
  const createdAt = new Date().toISOString();
  const data = { id, tenant: 'acme', name: id, hash: hashApiKey(key), scopes: ['audit:read'], createdAt, ...change };
  return encodeEvent(TOPICS.accessKeys, id, {
    id: newEventId(),
    source: '/bongsu/api',
    type: ACCESS_KEY_CHANGED,
    subject: id,
    time: createdAt,
    data,
  });
}

export interface Answer {
  readonly status: number;
  readonly body: Record<string, never> & {
    readonly data: Record<string, unknown>[];
    readonly nextCursor: string | null;
  };
}

export async function get(url: string, path: string, key: string | undefined = OPERATOR): Promise<Answer> {
  const answer = await fetch(`${url}${path}`, { headers: key === '' ? {} : { authorization: `Bearer ${key}` } });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}
