/**
 * What one would build from the same packages by their documentation: `@EventPattern` and a TypeORM repository. MODE says how
 * much of it: `save` or `insert` one row per record, or the `pipeline`: row, provider, row, record.
 * CONCURRENCY is kafkajs's own: how many partitions are handled at once.
 */
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  ClientKafka,
  ClientsModule,
  EventPattern,
  Payload,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { logLevel, Partitioners, type Consumer } from 'kafkajs';
import { lastValueFrom } from 'rxjs';
import { Column, DataSource, Entity, PrimaryColumn, type Repository } from 'typeorm';
import { Counting } from '../counting.js';

const { KAFKA_BROKERS, TOPIC = '', EVENTS_TOPIC = '', DATABASE_URL = '', SCHEMA = '', MODE } = process.env;
const CONCURRENCY = Number(process.env['CONCURRENCY']);
let providerMs = 0;

@Entity('notifications')
class NotificationRow {
  @PrimaryColumn('uuid')
  id!: string;
  @Column('text')
  recipientId!: string;
  @Column('text')
  body!: string;
  @Column('text')
  status!: string;
  @Column('timestamptz')
  acceptedAt!: Date;
}

interface Requested {
  readonly id: string;
  readonly acceptedAt: string;
  readonly recipient: { readonly id: string };
  readonly content: { readonly subject: string; readonly body: string };
}

const counting = new Counting();
const dataSource = await new DataSource({
  type: 'postgres',
  url: DATABASE_URL,
  schema: SCHEMA,
  entities: [NotificationRow],
  synchronize: true,
  poolSize: 10,
}).initialize();
const rows: Repository<NotificationRow> = dataSource.getRepository(NotificationRow);
const CLIENT = Symbol('client');

@Controller()
class RequestsController {
  constructor(@Inject(CLIENT) private readonly kafka: ClientKafka) {}

  // oxlint-disable-next-line typescript/no-unnecessary-type-arguments -- it chooses among EventPattern's overloads
  @EventPattern<string>(TOPIC)
  async handle(@Payload() request: Requested): Promise<void> {
    const { id, recipient, content, acceptedAt } = request;
    counting.began(recipient.id, Number(content.subject));
    const row = {
      id,
      recipientId: recipient.id,
      body: content.body,
      status: 'pending',
      acceptedAt: new Date(acceptedAt),
    };
    if (MODE === 'save') await rows.save(row);
    else await rows.insert(row);
    if (MODE === 'pipeline') {
      if (providerMs > 0) await sleep(providerMs);
      await rows.update(id, { status: 'delivered' });
      const value = { id, status: 'delivered', at: new Date().toISOString() };
      await lastValueFrom(this.kafka.emit(EVENTS_TOPIC, { key: recipient.id, value }));
    }
    counting.done();
  }
}

const client = { brokers: KAFKA_BROKERS!.split(','), clientId: 'stock', logLevel: logLevel.ERROR };
const producer = { allowAutoTopicCreation: false, createPartitioner: Partitioners.DefaultPartitioner };

@Module({
  imports: [
    ClientsModule.register([
      {
        name: CLIENT,
        transport: Transport.KAFKA,
        options: { client, producer, send: { acks: -1 }, producerOnlyMode: true },
      },
    ]),
  ],
  controllers: [RequestsController],
})
class AppModule {}

const app = await NestFactory.createMicroservice<MicroserviceOptions>(AppModule, {
  logger: ['error', 'fatal'],
  transport: Transport.KAFKA,
  options: {
    client,
    // A consumer that was held back looks again when this is over.
    consumer: { groupId: `stock-${TOPIC}`, allowAutoTopicCreation: false, maxWaitTimeInMs: 500 },
    producer,
    subscribe: { fromBeginning: true },
    run: { partitionsConsumedConcurrently: CONCURRENCY },
  },
});
await app.get<ClientKafka>(CLIENT).connect();
await app.listen();
const [, consumer] = app.unwrap<[unknown, Consumer]>();

process.on('message', (message: { do: string; count?: number; ms?: number }) => {
  if (message.do === 'pause') {
    consumer.pause([{ topic: TOPIC }]);
    counting.expect(message.count ?? 0);
    providerMs = message.ms ?? 0;
    process.send!({ paused: true });
  } else consumer.resume([{ topic: TOPIC }]);
});
process.send!({ ready: true });
