/** A consumer as the system's own are: `@OnBatch`, and one statement per batch. One row per record, and nothing else. */
import 'reflect-metadata';
import { GROUPS, TOPICS, type NotificationRequested } from '@bongsu/contracts';
import { KafkaBatchStrategy, KafkaProducer, OnBatch, type EventBatch } from '@bongsu/kafka';
import { createLogger } from '@bongsu/observability';
import { createDataSource, isInfrastructureError, query, type Statement } from '@bongsu/persistence';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Counting } from './counting.js';
import { kafkaSettings } from './kafka-settings.js';

const SCHEMA = process.env['SCHEMA'] ?? '';
const logger = createLogger('bench-intake', 'error');
const counting = new Counting();
const dataSource = createDataSource({
  service: SCHEMA,
  url: process.env['DATABASE_URL'] ?? '',
  poolSize: 10,
  entities: [],
  migrations: [],
});
await dataSource.initialize();
await dataSource.query(
  `CREATE TABLE notifications (id uuid PRIMARY KEY, recipient_id text NOT NULL, body text NOT NULL, status text NOT NULL, accepted_at timestamptz NOT NULL)`,
);

const INSERT: Statement = {
  name: 'bench_insert',
  text: `
    INSERT INTO notifications (id, recipient_id, body, status, accepted_at)
    SELECT id, recipient, body, 'pending', accepted
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[]) AS r (id, recipient, body, accepted)
    ON CONFLICT DO NOTHING`,
};

@Controller()
class RequestsController {
  @OnBatch(TOPICS.requests.normal)
  async handle({ records }: EventBatch<NotificationRequested>): Promise<void> {
    const data = records.map(({ event }) => event.data);
    for (const { recipient, content } of data) counting.began(recipient.id, Number(content?.subject));
    await query(dataSource, INSERT, [
      data.map(({ id }) => id),
      data.map(({ recipient }) => recipient.id),
      data.map(({ content }) => content?.body ?? ''),
      data.map(({ acceptedAt }) => acceptedAt),
    ]);
    counting.done(records.length);
  }
}

@Module({ controllers: [RequestsController] })
class AppModule {}

const settings = kafkaSettings();
const strategy = new KafkaBatchStrategy({
  group: GROUPS.notification,
  settings,
  producer: new KafkaProducer({ settings, clientId: 'bench-intake', logger }),
  logger,
  isInfrastructureError,
  topics: [TOPICS.requests.normal],
});
const app = await NestFactory.createMicroservice(AppModule, { logger: ['error', 'fatal'], strategy });
await app.listen();
while (!strategy.isHealthy()) await new Promise((resolve) => setTimeout(resolve, 50));

process.on('message', (message: { do: string; count?: number }) => {
  if (message.do === 'pause') {
    strategy.pause();
    counting.expect(message.count ?? 0);
    process.send!({ paused: true });
  } else strategy.resume();
});
process.send!({ ready: true });
