import { Readable } from 'node:stream';
import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Caller, NDJSON, QueryParameters, RequireScope, type CallerIdentity } from '@bongsu/http';
import { Database } from '../database/database.js';
import { requireOperator } from '../access/visibility.js';
import { exportLines } from './export.js';

@Controller('v1/audit/export')
@RequireScope('audit:read')
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
  @ApiOkResponse({ description: 'The records', content: { [NDJSON]: { schema: { type: 'string' } } } })
  export(@Query() query: unknown, @Caller() caller: CallerIdentity): StreamableFile {
    requireOperator(caller);
    const chain = new QueryParameters(query, ['chain']).text('chain', 300);
    return new StreamableFile(Readable.from(exportLines(this.#database, chain), { objectMode: false }), {
      type: NDJSON,
      disposition: 'attachment; filename="bongsu-audit.ndjson"',
    });
  }
}
