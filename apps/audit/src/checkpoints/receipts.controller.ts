import { Caller, invalidParameter, QueryParameters, RequireScope, type CallerIdentity } from '@bongsu/http';
import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { AuditedRead } from '../access/audited-read.js';
import { visibleTenant } from '../access/visibility.js';
import { Receipts, type Receipt } from './receipts.js';

const SCHEMA = {
  type: 'object',
  properties: {
    format: { type: 'string' },
    notificationId: { type: 'string' },
    keys: { type: 'array', items: { type: 'string' } },
    checkpoints: { type: 'array', items: { type: 'string' }, description: 'Those that announce keys' },
    entries: {
      type: 'array',
      items: { type: 'object' },
      description: 'Lines of the export, each with previousHash, inclusionProof and checkpoint',
    },
  },
};

@Controller('v1/audit/receipts')
@RequireScope('audit:read')
@AuditedRead()
@ApiTags('audit')
export class ReceiptsController {
  readonly #receipts: Receipts;

  constructor(receipts: Receipts) {
    this.#receipts = receipts;
  }

  @Get(':notificationId')
  @ApiOperation({
    summary: 'A receipt of a notification',
    description:
      'Its records, each with a proof that leads to a signed checkpoint; verifiable offline (docs/audit-format.md). 409 with Retry-After while the newest of them is not signed.',
  })
  @ApiParam({ name: 'notificationId', schema: { type: 'string' } })
  @ApiOkResponse({ description: 'The receipt', schema: SCHEMA })
  get(
    @Param('notificationId') notificationId: string,
    @Query() query: unknown,
    @Caller() caller: CallerIdentity,
  ): Promise<Receipt> {
    QueryParameters.refuseAll(query);
    if (!/^[\w.:-]{1,256}$/.test(notificationId))
      throw invalidParameter('notificationId', 'is not one of a notification');
    return this.#receipts.of(notificationId, visibleTenant(caller, undefined));
  }
}
