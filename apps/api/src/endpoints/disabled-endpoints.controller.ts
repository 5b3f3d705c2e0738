import { Controller, Delete, Get, HttpCode, Query } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { CHANNELS } from '@bongsu/contracts';
import {
  Caller,
  decodeCursor,
  encodeCursor,
  invalidParameter,
  PAGE,
  QueryParameters,
  RequireScope,
  type CallerIdentity,
} from '@bongsu/http';
import { Type } from 'typebox';
import { cursorDate, Paged, TIME } from '../status/paging.js';
import { pageOf } from '../status/published.js';
import { DisabledEndpoints, NEWEST, type DisabledPlace, type DisabledRow } from './disabled-endpoints.js';

const DisabledEndpointSchema = Type.Object(
  {
    channel: Type.Unsafe<string>({ type: 'string', enum: CHANNELS }),
    endpoint: Type.String({ description: 'The URL, as the URL standard spells it' }),
    disabledAt: Type.String({ format: 'date-time' }),
    deliveryId: Type.String({ format: 'uuid', description: 'The delivery to which it answered that it is gone' }),
  },
  { additionalProperties: false, title: 'DisabledEndpoint' },
);

/** A webhook of 2048 characters may be longer in the URL standard's spelling; a request line takes no more than this anyway. */
const MAX_ENDPOINT = 8_192;
const HASH = /^[0-9a-f]{64}$/;

@ApiTags('Disabled endpoints')
@Controller('v1/disabled-endpoints')
export class DisabledEndpointsController {
  private readonly endpoints: DisabledEndpoints;
  constructor(endpoints: DisabledEndpoints) {
    this.endpoints = endpoints;
  }

  @Get()
  @RequireScope('notifications:read')
  @ApiOperation({
    summary: 'Endpoints that are called no more, newest first',
    description:
      'An endpoint that answers 410 is gone: deliveries to it are rejected with the code endpoint_disabled, without a call, until it is enabled again.',
  })
  @Paged()
  @ApiResponse({ status: 200, description: 'A page', schema: pageOf(DisabledEndpointSchema) as never })
  async list(@Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, ['limit', 'cursor']);
    const limit = given.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback;
    const cursor = given.text('cursor', 500);
    const place = cursor === undefined ? NEWEST : placeOf(cursor);
    const found = await this.endpoints.list(caller.tenant, place, limit + 1);
    const page = found.slice(0, limit);
    const last = page.at(-1);
    const nextCursor = found.length > limit && last ? encodeCursor([last.disabledAt.toISOString(), last.hash]) : null;
    return { data: page.map(view), nextCursor };
  }

  @Delete()
  @HttpCode(202)
  @RequireScope('notifications:write')
  @ApiOperation({ summary: 'Call an endpoint again' })
  @ApiQuery({ name: 'channel', required: true, enum: CHANNELS })
  @ApiQuery({ name: 'endpoint', required: true, schema: { type: 'string' }, description: 'The URL' })
  @ApiResponse({ status: 202, description: 'It will be called again within seconds' })
  async enable(@Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, ['channel', 'endpoint']);
    const channel = given.oneOf('channel', CHANNELS);
    const endpoint = given.text('endpoint', MAX_ENDPOINT);
    if (channel === undefined) throw invalidParameter('channel', 'is required');
    if (endpoint === undefined) throw invalidParameter('endpoint', 'is required');
    return this.endpoints.enable(channel, endpoint, caller);
  }
}

function placeOf(cursor: string): DisabledPlace {
  const [disabledAt, hash] = decodeCursor(cursor, TIME, HASH);
  return { disabledAt: cursorDate(disabledAt!, cursor), hash: hash! };
}

const view = ({ channel, endpoint, disabledAt, deliveryId }: DisabledRow) => ({
  channel,
  endpoint,
  disabledAt: disabledAt.toISOString(),
  deliveryId,
});
