import { Readable } from 'node:stream';
import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { VerifyReport } from '@bongsu/audit-chain';
import { QueryParameters, RequireScope } from '@bongsu/http';
import { patiently } from './patient-answer.js';
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
    checkpoints: { type: 'integer', description: 'Signed states of chains that the records still match' },
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
    summary: 'Verify every chain and every checkpoint',
    description:
      'Reads every record afresh and computes every hash again; answers when it is through. Where that takes long, the JSON ' +
      'begins with white space, so that the connection is not taken for a dead one.',
  })
  @ApiOkResponse({ description: 'What was found; `ok` is true when there is no problem', schema: REPORT_SCHEMA })
  async verify(@Query() query: unknown): Promise<VerifyReport | StreamableFile> {
    QueryParameters.refuseAll(query);
    const answer = await patiently(this.#verification.verify());
    return answer instanceof Readable ? new StreamableFile(answer, { type: 'application/json' }) : answer;
  }
}
