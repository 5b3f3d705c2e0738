import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import type { StoredRecord } from '@bongsu/audit-chain';
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
import { AuditedRead } from '../access/audited-read.js';
import { Database } from '../database/database.js';
import { visibleTenant } from '../access/visibility.js';
import { searchRecords, type SearchPosition } from './search.js';
import { readable } from './view.js';

const FILTERS = ['tenant', 'notification', 'recipient', 'type', 'topic', 'from', 'to', 'limit', 'cursor'] as const;
const MAX_INT64 = 2n ** 63n - 1n;

@Controller('v1/audit/records')
@RequireScope('audit:read')
@AuditedRead()
@ApiTags('audit')
export class RecordsController {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  @Get()
  @ApiOperation({
    summary: 'Search the records',
    description: "Newest first. A key sees its own tenant's records; an admin key of the tenant `default` sees all.",
  })
  @ApiQuery({ name: 'tenant', required: false })
  @ApiQuery({ name: 'notification', required: false, description: 'The id of a notification' })
  @ApiQuery({ name: 'recipient', required: false, description: "The recipient's id" })
  @ApiQuery({ name: 'topic', required: false })
  @ApiQuery({ name: 'type', required: false, description: 'Of the event, such as bongsu.delivery.delivered.v1' })
  @ApiQuery({ name: 'from', required: false, description: 'RFC 3339, inclusive' })
  @ApiQuery({ name: 'to', required: false, description: 'RFC 3339, exclusive' })
  @ApiQuery({ name: 'limit', required: false, description: `${PAGE.min} to ${PAGE.max}, default ${PAGE.fallback}` })
  @ApiQuery({ name: 'cursor', required: false, description: '`nextCursor` of the page before' })
  @ApiOkResponse({
    description: 'A page of records; the last one has no `nextCursor`',
    schema: {
      type: 'object',
      properties: { data: { type: 'array', items: { type: 'object' } }, nextCursor: { type: ['string', 'null'] } },
    },
  })
  async list(
    @Query() query: unknown,
    @Caller() caller: CallerIdentity,
  ): Promise<{ data: unknown[]; nextCursor: string | null }> {
    const parameters = new QueryParameters(query, FILTERS);
    const { records, more } = await searchRecords(this.#database, {
      tenant: visibleTenant(caller, parameters.text('tenant', 64)),
      subject: parameters.text('notification', 256),
      recipient: parameters.text('recipient', 256),
      type: parameters.text('type', 256),
      topic: parameters.text('topic', 249),
      fromMs: parameters.time('from')?.getTime(),
      toMs: parameters.time('to')?.getTime(),
      after: positionIn(parameters.text('cursor', 1000)),
      limit: parameters.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback,
    });
    const last = records.at(-1);
    return { data: records.map(readable), nextCursor: more && last ? cursorAfter(last) : null };
  }
}

const cursorAfter = ({ timestampMs, topic, partition, sequence }: StoredRecord): string =>
  encodeCursor([timestampMs, topic, partition, sequence].map(String));

function positionIn(cursor: string | undefined): SearchPosition | undefined {
  if (cursor === undefined) return undefined;
  const parts = decodeCursor(cursor, /^-?\d{1,19}$/, /^[\w.-]{1,249}$/, /^\d{1,9}$/, /^\d{1,19}$/);
  const [timestampMs, topic, partition, sequence] = parts as [string, string, string, string];
  const position = {
    timestampMs: BigInt(timestampMs),
    topic,
    partition: Number(partition),
    sequence: BigInt(sequence),
  };
  if (position.timestampMs > MAX_INT64 || position.timestampMs < -MAX_INT64 - 1n || position.sequence > MAX_INT64) {
    throw invalidParameter('cursor', 'is not one that this list gave out');
  }
  return position;
}
