import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { chainName, type ChainHead } from '@bongsu/audit-chain';
import { decodeCursor, encodeCursor, PAGE, QueryParameters, RequireScope } from '@bongsu/http';
import { Database } from '../database/database.js';
import { readHeads } from './heads.js';

interface ChainView {
  readonly chain: string;
  readonly topic: string;
  readonly partition: number;
  readonly sequence: number;
  readonly hash: string;
  readonly nextOffset: number;
  readonly epoch: number;
}

const integer = { type: 'integer' };
const item = {
  type: 'object',
  properties: {
    chain: { type: 'string', description: '<topic>/<partition>' },
    topic: { type: 'string' },
    partition: integer,
    sequence: { ...integer, description: 'Of the last record, which is the number of records' },
    hash: { type: 'string', description: 'Of the last record, hexadecimal' },
    nextOffset: { ...integer, description: "After that of the last record, in Kafka's partition" },
    epoch: { ...integer, description: 'How often offsets began again, because the topic was made anew' },
  },
};
const LIST_SCHEMA = {
  type: 'object',
  properties: { data: { type: 'array', items: item }, nextCursor: { type: ['string', 'null'] } },
};

@Controller('v1/audit/chains')
@RequireScope('audit:read')
@ApiTags('audit')
export class ChainsController {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  @Get()
  @ApiOperation({ summary: 'The heads of all chains', description: 'One chain per partition of every audited topic.' })
  @ApiQuery({ name: 'limit', required: false, description: `${PAGE.min} to ${PAGE.max}; all of them when not given` })
  @ApiQuery({ name: 'cursor', required: false })
  @ApiOkResponse({ description: 'Heads by topic and partition', schema: LIST_SCHEMA })
  async list(@Query() query: unknown): Promise<{ data: ChainView[]; nextCursor: string | null }> {
    const parameters = new QueryParameters(query, ['limit', 'cursor']);
    const limit = parameters.integer('limit', PAGE.min, PAGE.max);
    const cursor = parameters.text('cursor', 1000);
    const heads = await readHeads(this.#database);
    const from = cursor === undefined ? 0 : indexAfter(heads, cursor);
    const page = heads.slice(from, limit === undefined ? undefined : from + limit);
    const last = page.at(-1);
    const more = last !== undefined && from + page.length < heads.length;
    return { data: page.map(view), nextCursor: more ? encodeCursor([last.topic, String(last.partition)]) : null };
  }
}

function indexAfter(heads: readonly ChainHead[], cursor: string): number {
  const [topic, partition] = decodeCursor(cursor, /^[\w.-]{1,249}$/, /^\d{1,9}$/);
  const index = heads.findIndex((head) => head.topic === topic && String(head.partition) === partition);
  return index === -1 ? heads.length : index + 1;
}

const view = ({ topic, partition, sequence, hash, nextOffset, epoch }: ChainHead): ChainView => ({
  chain: chainName(topic, partition),
  topic,
  partition,
  sequence: Number(sequence),
  hash: hash.toString('hex'),
  nextOffset: Number(nextOffset),
  epoch,
});
