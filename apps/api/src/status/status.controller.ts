import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CHANNELS, NOTIFICATION_STATUSES } from '@bongsu/contracts';
import {
  Caller,
  decodeCursor,
  encodeCursor,
  PAGE,
  QueryParameters,
  RequireScope,
  type CallerIdentity,
} from '@bongsu/http';
import { cursorDate, Paged, TIME, UUID } from './paging.js';
import { NotificationSchema, pageOf, TimelineEntrySchema } from './published.js';
import { BEGINNING, StatusReader, type TimelinePlace } from './status-reader.js';

const POSITION = /^\d{1,16}$/;
/** An event id as it may stand in a header (contracts' cloudevents.ts). */
const EVENT_ID = /^[^\0]{1,1024}$/u;
const MAX_CURSOR = 4_096;

@ApiTags('Notifications')
@Controller('v1/notifications')
@RequireScope('notifications:read')
export class StatusController {
  private readonly status: StatusReader;
  constructor(status: StatusReader) {
    this.status = status;
  }

  @Get()
  @ApiOperation({ summary: 'Notifications, newest first' })
  @ApiQuery({ name: 'status', required: false, enum: NOTIFICATION_STATUSES })
  @ApiQuery({ name: 'recipient', required: false, schema: { type: 'string' }, description: "The recipient's id" })
  @ApiQuery({ name: 'channel', required: false, enum: CHANNELS })
  @ApiQuery({
    name: 'from',
    required: false,
    schema: { type: 'string', format: 'date-time' },
    description: 'Accepted then or later',
  })
  @ApiQuery({
    name: 'to',
    required: false,
    schema: { type: 'string', format: 'date-time' },
    description: 'Accepted before then',
  })
  @Paged()
  @ApiResponse({ status: 200, description: 'A page', schema: pageOf(NotificationSchema) as never })
  async list(@Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, ['status', 'recipient', 'channel', 'from', 'to', 'limit', 'cursor']);
    const limit = given.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback;
    const cursor = given.text('cursor', MAX_CURSOR);
    const found = await this.status.list({
      tenant: caller.tenant,
      status: given.oneOf('status', NOTIFICATION_STATUSES),
      recipient: given.text('recipient', 256),
      channel: given.oneOf('channel', CHANNELS),
      from: given.time('from'),
      to: given.time('to'),
      after: cursor === undefined ? undefined : lastOfPage(cursor),
      limit: limit + 1,
    });
    const page = found.slice(0, limit);
    const last = page.at(-1)?.row;
    const nextCursor = found.length > limit && last ? encodeCursor([last.acceptedAt.toISOString(), last.id]) : null;
    return { data: page.map(({ view }) => view), nextCursor };
  }

  @Get(':id')
  @ApiOperation({ summary: 'A notification with its deliveries and their attempts' })
  @ApiResponse({ status: 200, description: 'The notification', schema: NotificationSchema as never })
  async one(@Param('id') id: string, @Query() query: unknown, @Caller() caller: CallerIdentity) {
    QueryParameters.refuseAll(query);
    return this.status.notification(id, caller.tenant);
  }

  @Get(':id/timeline')
  @ApiOperation({ summary: 'Everything that happened to a notification, in order' })
  @Paged()
  @ApiResponse({ status: 200, description: 'A page', schema: pageOf(TimelineEntrySchema) as never })
  async timeline(@Param('id') id: string, @Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, ['limit', 'cursor']);
    const limit = given.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback;
    const cursor = given.text('cursor', MAX_CURSOR);
    const found = await this.status.timeline(
      id,
      caller.tenant,
      cursor === undefined ? BEGINNING : placeOf(cursor),
      limit + 1,
    );
    const page = found.slice(0, limit);
    const place = page.at(-1)?.place;
    const nextCursor =
      found.length > limit && place ? encodeCursor([place.at.toISOString(), place.position, place.eventId]) : null;
    return { data: page.map(({ entry }) => entry), nextCursor };
  }
}

function lastOfPage(cursor: string): { acceptedAt: Date; id: string } {
  const [acceptedAt, id] = decodeCursor(cursor, TIME, UUID);
  return { acceptedAt: cursorDate(acceptedAt!, cursor), id: id! };
}

function placeOf(cursor: string): TimelinePlace {
  const [at, position, eventId] = decodeCursor(cursor, TIME, POSITION, EVENT_ID);
  return { at: cursorDate(at!, cursor), position: position!, eventId: eventId! };
}
