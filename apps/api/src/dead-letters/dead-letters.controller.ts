import { Body, Controller, Get, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CHANNELS, isId } from '@bongsu/contracts';
import {
  Caller,
  decodeCursor,
  encodeCursor,
  invalidBody,
  invalidParameter,
  PAGE,
  QueryParameters,
  RequireScope,
  type CallerIdentity,
} from '@bongsu/http';
import type { FastifyReply } from 'fastify';
import { cursorDate, Paged, TIME, UUID } from '../status/paging.js';
import { pageOf } from '../status/published.js';
import { DeadLetters } from './dead-letters.js';
import {
  DEFAULT_RATE,
  DeadLetterSchema,
  MatchedSchema,
  MAX_REASON,
  RedriveRequest,
  RedriveSchema,
} from './published.js';
import { Redrive } from './redrive.js';
import type { DeadLetterFilter, DeadLetterPlace, DeadLetterRow } from './sql/dead-letters.js';

const PARAMETERS = ['recipient', 'channel', 'notification', 'reason', 'from', 'to', 'limit', 'cursor'] as const;

@ApiTags('Dead letters')
@Controller('v1/dead-letters')
export class DeadLettersController {
  private readonly letters: DeadLetters;
  private readonly redrive: Redrive;

  constructor(letters: DeadLetters, redrive: Redrive) {
    this.letters = letters;
    this.redrive = redrive;
  }

  @Get()
  @RequireScope('notifications:read')
  @ApiOperation({ summary: 'Deliveries that ran out of attempts, newest first' })
  @ApiQuery({ name: 'recipient', required: false, schema: { type: 'string' }, description: "The recipient's id" })
  @ApiQuery({ name: 'channel', required: false, enum: CHANNELS })
  @ApiQuery({ name: 'notification', required: false, schema: { type: 'string', format: 'uuid' } })
  @ApiQuery({
    name: 'reason',
    required: false,
    schema: { type: 'string' },
    description: "The code of the last attempt's error, such as http_503",
  })
  @ApiQuery({ name: 'from', required: false, schema: { type: 'string', format: 'date-time' } })
  @ApiQuery({ name: 'to', required: false, schema: { type: 'string', format: 'date-time' } })
  @Paged()
  @ApiResponse({ status: 200, description: 'A page', schema: pageOf(DeadLetterSchema) as never })
  async list(@Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, PARAMETERS);
    const notification = given.text('notification', 100)?.toLowerCase();
    if (notification !== undefined && !isId(notification)) throw invalidParameter('notification', 'must be a UUID');
    const filter: DeadLetterFilter = {
      tenant: caller.tenant,
      recipient: given.text('recipient', 256),
      channel: given.oneOf('channel', CHANNELS),
      notification,
      reason: given.text('reason', MAX_REASON),
      from: given.time('from'),
      to: given.time('to'),
    };
    const limit = given.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback;
    const cursor = given.text('cursor', 500);
    const found = await this.letters.list(filter, limit + 1, cursor === undefined ? undefined : placeOf(cursor));
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const nextCursor = found.length > limit && last ? encodeCursor([last.deadAt.toISOString(), last.deliveryId]) : null;
    return { data: page.map(view), nextCursor };
  }

  @Post('redrive')
  @HttpCode(202)
  @RequireScope('notifications:write')
  @ApiOperation({
    summary: 'Try dead deliveries again, with their retry schedule from the start',
    description:
      'At most ratePerSecond of them become due per second, the longest dead first. Each is redriven once, however often this is asked for: after a 503 the same request goes on with what is left.',
  })
  @ApiResponse({ status: 200, description: 'With dryRun: how many would be redriven', schema: MatchedSchema })
  @ApiResponse({ status: 202, description: 'Every one is on its way', schema: RedriveSchema })
  async redriveAll(
    @Body({ schema: RedriveRequest }) body: RedriveRequest,
    @Caller() caller: CallerIdentity,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { dryRun, ratePerSecond = DEFAULT_RATE, limit } = body;
    const order = { filter: filterOf(body.filter, caller.tenant), ratePerSecond, limit };
    if (dryRun !== true) return this.redrive.redrive(order, caller);
    reply.status(200);
    return { matched: await this.redrive.matched(order) };
  }
}

function filterOf(given: RedriveRequest['filter'], tenant: string): DeadLetterFilter {
  const { recipient, channel, reason } = given;
  const notification = given.notification?.toLowerCase();
  if (notification !== undefined && !isId(notification))
    throw invalidBody({ pointer: '/filter/notification', detail: 'is not an id of a notification' });
  return {
    tenant,
    recipient,
    channel,
    notification,
    reason,
    from: timeOf('from', given.from),
    to: timeOf('to', given.to),
  };
}

/** JSON Schema's date-time allows leap seconds, which JavaScript has no value for. */
function timeOf(name: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) throw invalidBody({ pointer: `/filter/${name}`, detail: 'is not a time' });
  return time;
}

function placeOf(cursor: string): DeadLetterPlace {
  const [deadAt, id] = decodeCursor(cursor, TIME, UUID);
  return { deadAt: cursorDate(deadAt!, cursor), id: id! };
}

const view = (row: DeadLetterRow) => ({
  deliveryId: row.deliveryId,
  notificationId: row.notificationId,
  recipient: row.recipient,
  channel: row.channel,
  provider: row.provider,
  attempts: row.attempts ?? 0,
  error: { code: row.errorCode ?? 'unknown', message: row.errorMessage ?? row.reason ?? '' },
  deadAt: row.deadAt.toISOString(),
  ...(row.priority === null ? {} : { priority: row.priority }),
});
