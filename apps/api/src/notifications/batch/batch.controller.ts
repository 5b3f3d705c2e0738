import { Readable } from 'node:stream';
import { Body, Controller, HttpCode, Inject, Post, Req, Res, type OnModuleDestroy } from '@nestjs/common';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { BongsuError, contract, ERRORS, NotificationRequest } from '@bongsu/contracts';
import {
  Caller,
  invalidBody,
  MAX_BODY_BYTES,
  NDJSON,
  parseJson,
  RequireScope,
  type CallerIdentity,
} from '@bongsu/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { databaseAway } from '../../database/database-away.js';
import { SETTINGS, type ApiSettings } from '../../settings.js';
import { Acceptance } from '../acceptance.js';
import { acceptOptions } from '../request-headers.js';
import { answersTo } from './answers.js';
import { BatchItems, type BatchResult } from './batch-item.js';
import { linesOf, type Line } from './lines.js';

export const BATCH_ROUTE = '/v1/notifications/batch';
const MAX_ITEMS = 1_000;

/** What the body must be apart from its items, each of which is judged on its own. */
const Envelope = contract(
  Type.Object(
    { notifications: Type.Array(Type.Null(), { minItems: 1, maxItems: MAX_ITEMS }) },
    { additionalProperties: false, title: 'NotificationBatch' },
  ),
);
const PUBLISHED_SCHEMA = {
  type: 'object',
  required: ['notifications'],
  additionalProperties: false,
  properties: { notifications: { type: 'array', minItems: 1, maxItems: MAX_ITEMS, items: NotificationRequest.schema } },
};

@ApiTags('Notifications')
@Controller(BATCH_ROUTE.slice(1))
@RequireScope('notifications:write')
export class BatchController implements OnModuleDestroy {
  private readonly acceptance: Acceptance;
  private readonly idleMs: number;
  private readonly stopping = new AbortController();

  constructor(acceptance: Acceptance, @Inject(SETTINGS) settings: ApiSettings) {
    this.acceptance = acceptance;
    this.idleMs = settings.REQUEST_TIMEOUT;
  }

  /** Streams have no end of their own, and would hold up a shutdown: no further line of them is read. */
  onModuleDestroy(): void {
    this.stopping.abort();
  }

  @Post()
  @HttpCode(202)
  @ApiOperation({
    summary: 'Accept many notifications',
    description:
      'JSON: up to 1000 at once, answered with one result per item. NDJSON: a stream of any length, one notification per line, ' +
      'answered with one line per line as it goes. An Idempotency-Key counts for each item with its index.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, schema: { type: 'string', minLength: 1, maxLength: 255 } })
  @ApiConsumes('application/json', NDJSON)
  @ApiBody({ schema: PUBLISHED_SCHEMA as never })
  @ApiResponse({
    status: 202,
    description: '{results: [{id, status, acceptedAt} | {code, detail, errors}]}, or such lines',
  })
  async accept(
    @Body() body: unknown,
    @Caller() caller: CallerIdentity,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ results: BatchResult[] } | Readable> {
    const items = new BatchItems(this.acceptance, caller, acceptOptions(request), databaseAway);
    if (!(body instanceof Readable)) return { results: await acceptAll(items, itemsOf(body)) };
    reply.header('content-type', NDJSON);
    const limits = { maxBytes: MAX_BODY_BYTES, idleMs: this.idleMs, stop: this.stopping.signal };
    return Readable.from(
      answersTo(linesOf(body, limits), (line, index) => acceptLine(items, line, index)),
      {
        objectMode: false,
      },
    );
  }
}

function itemsOf(body: unknown): unknown[] {
  if (body === undefined) throw new BongsuError('malformed_json', 'A JSON body is required');
  const { notifications } = (typeof body === 'object' && body !== null ? body : {}) as { notifications?: unknown };
  const shell = Array.isArray(notifications)
    ? { ...(body as object), notifications: notifications.slice(0, MAX_ITEMS + 1).map(() => null) }
    : body;
  const violations = Envelope.violations(shell);
  if (violations.length > 0) throw invalidBody(...violations);
  return notifications as unknown[];
}

/** Throws when no item was taken and all for one passing reason: then the whole request is to be sent again. */
async function acceptAll(items: BatchItems, values: readonly unknown[]): Promise<BatchResult[]> {
  const results = await Promise.all(values.map((value, index) => items.accept(value, index)));
  const codes = new Set(results.map((result) => ('code' in result ? result.code : undefined)));
  const [code] = codes;
  if (codes.size === 1 && code !== undefined && ERRORS[code].retryable) throw new BongsuError(code);
  return results;
}

async function acceptLine(items: BatchItems, line: Line, index: number): Promise<BatchResult> {
  if (!Buffer.isBuffer(line)) return items.refusal(line);
  let value: unknown;
  try {
    value = parseJson(line);
  } catch (error) {
    return items.refusal(error);
  }
  if (value === undefined) return items.refusal(new BongsuError('malformed_json', 'The line is empty'));
  return items.accept(value, index);
}
