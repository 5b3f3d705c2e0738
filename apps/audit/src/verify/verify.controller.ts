import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { VerifyReport } from '@bongsu/audit-chain';
import { QueryParameters, RequireScope } from '@bongsu/http';
import { Verification } from './verification.js';

const finding = {
  type: 'object',
  properties: {
    chain: { type: 'string', description: '<topic>/<partition>' },
    sequence: { type: 'integer', description: 'The place in the chain' },
    what: { type: 'string' },
  },
};
const REPORT_SCHEMA = {
  type: 'object',
  properties: {
    ok: { type: 'boolean' },
    records: { type: 'integer' },
    chains: { type: 'integer' },
    problems: { type: 'array', items: finding, description: 'At most 100 per chain, in their order' },
    problemCount: { type: 'integer' },
    notices: { type: 'array', items: finding, description: 'Worth knowing, though the chains hold' },
  },
};

@Controller('v1/audit/verify')
@RequireScope('audit:read')
@ApiTags('audit')
export class VerifyController {
  readonly #verification: Verification;

  constructor(verification: Verification) {
    this.#verification = verification;
  }

  @Get()
  @ApiOperation({
    summary: 'Verify every chain',
    description: 'Reads every record afresh and computes every hash again; answers when it is through.',
  })
  @ApiOkResponse({ description: 'What was found; `ok` is true when there is no problem', schema: REPORT_SCHEMA })
  verify(@Query() query: unknown): Promise<VerifyReport> {
    QueryParameters.refuseAll(query);
    return this.#verification.verify();
  }
}
