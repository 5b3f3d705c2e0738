import { Readable } from 'node:stream';
import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Caller, invalidParameter, NDJSON, QueryParameters, RequireScope, type CallerIdentity } from '@bongsu/http';
import { AuditedRead } from '../access/audited-read.js';
import { Database } from '../database/database.js';
import { requireOperator } from '../access/visibility.js';
import { exportLines } from './export.js';

@Controller('v1/audit/export')
@RequireScope('audit:read')
@AuditedRead()
@ApiTags('audit')
export class ExportController {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  @Get()
  @ApiOperation({
    summary: 'Export the records',
    description:
      'One JSON object per line and record, chain by chain, with all that its hash is computed from (docs/audit-format.md). ' +
      'Takes an admin key of the tenant `default`: chains run across tenants, and a part of one cannot be verified.',
  })
  @ApiQuery({ name: 'chain', required: false, description: 'Only this one, <topic>/<partition>' })
  @ApiQuery({ name: 'after', required: false, description: 'Of that chain, only what follows this sequence' })
  @ApiOkResponse({ description: 'The records', content: { [NDJSON]: { schema: { type: 'string' } } } })
  export(@Query() query: unknown, @Caller() caller: CallerIdentity): StreamableFile {
    requireOperator(caller);
    const parameters = new QueryParameters(query, ['chain', 'after']);
    const chain = parameters.text('chain', 300);
    const after = parameters.integer('after', 0, Number.MAX_SAFE_INTEGER);
    if (after !== undefined && chain === undefined) throw invalidParameter('after', 'goes with a chain');
    const part = { chain, after: after === undefined ? undefined : BigInt(after) };
    return new StreamableFile(Readable.from(exportLines(this.#database, part), { objectMode: false }), {
      type: NDJSON,
      disposition: 'attachment; filename="bongsu-audit.ndjson"',
    });
  }
}
