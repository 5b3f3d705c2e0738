/**
 * What one would build from the same packages by their documentation: Nest on Express, class-validator, ClientKafka. Validates,
 * emits one record with acks from all, waits for it and answers 202.
 */
import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { Body, Controller, HttpCode, Inject, Module, Post, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientKafka, ClientsModule, Transport } from '@nestjs/microservices';
import { Type } from 'class-transformer';
import {
  ArrayNotEmpty,
  IsArray,
  IsIn,
  IsObject,
  IsOptional,
  IsString,
  MaxLength,
  ValidateNested,
} from 'class-validator';
import { Partitioners, logLevel } from 'kafkajs';
import { lastValueFrom } from 'rxjs';

const CLIENT = Symbol('client');

class Recipient {
  @IsString()
  @MaxLength(256)
  id!: string;
  @IsOptional()
  @IsString()
  @MaxLength(320)
  email?: string;
}

class Content {
  @IsOptional()
  @IsString()
  @MaxLength(998)
  subject?: string;
  @IsString()
  @MaxLength(131_072)
  body!: string;
}

class NotificationRequest {
  @IsObject()
  @ValidateNested()
  @Type(() => Recipient)
  recipient!: Recipient;
  @IsArray()
  @ArrayNotEmpty()
  @IsIn(['email', 'webhook', 'log'], { each: true })
  channels!: string[];
  @IsObject()
  @ValidateNested()
  @Type(() => Content)
  content!: Content;
  @IsOptional()
  @IsIn(['urgent', 'normal', 'bulk'])
  priority?: string;
}

@Controller('v1/notifications')
class NotificationsController {
  constructor(@Inject(CLIENT) private readonly kafka: ClientKafka) {}

  @Post()
  @HttpCode(202)
  async accept(@Body() request: NotificationRequest): Promise<object> {
    const id = randomUUID();
    const acceptedAt = new Date().toISOString();
    await lastValueFrom(
      this.kafka.emit(process.env['TOPIC']!, {
        key: request.recipient.id,
        value: Object.assign(request, { id, acceptedAt }),
      }),
    );
    return { id, status: 'accepted', acceptedAt };
  }
}

@Module({
  imports: [
    ClientsModule.register([
      {
        name: CLIENT,
        transport: Transport.KAFKA,
        options: {
          client: {
            brokers: process.env['KAFKA_BROKERS']!.split(','),
            clientId: 'stock-api',
            logLevel: logLevel.ERROR,
          },
          producer: { allowAutoTopicCreation: false, createPartitioner: Partitioners.DefaultPartitioner },
          send: { acks: -1 },
          producerOnlyMode: true,
        },
      },
    ]),
  ],
  controllers: [NotificationsController],
})
class AppModule {}

const app = await NestFactory.create(AppModule, { logger: ['error', 'fatal'] });
app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true, transform: true }));
await app.get<ClientKafka>(CLIENT).connect();
await app.listen(Number(process.env['PORT']), '127.0.0.1');
process.send!({ ready: true });
