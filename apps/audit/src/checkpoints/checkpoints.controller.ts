import { chainName } from '@bongsu/audit-chain';
import { decodeCursor, encodeCursor, invalidParameter, PAGE, QueryParameters, RequireScope } from '@bongsu/http';
import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiTags } from '@nestjs/swagger';
import { Database } from '../database/database.js';
import { LIST_CHECKPOINTS, LIST_CHECKPOINTS_OF_CHAIN } from './sql/list-checkpoints.js';
import type { CheckpointRow } from './sql/checkpoints.js';

interface CheckpointView {
  readonly chain: string;
  readonly size: number;
  readonly root: string;
  readonly note: string;
  readonly at: string;
}

const LIST_SCHEMA = {
  type: 'object',
  properties: {
    data: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          chain: { type: 'string', description: '<topic>/<partition>' },
          size: { type: 'integer', description: 'How many records it signs: the sequence of the last' },
          root: { type: 'string', description: "Of the chain's Merkle tree, hexadecimal" },
          note: { type: 'string', description: 'The signed note' },
          at: { type: 'string', format: 'date-time' },
        },
      },
    },
    nextCursor: { type: ['string', 'null'] },
  },
};
/** Before which nothing comes: the page of the newest ones begins there. */
const FIRST = ['9223372036854775807', '', '0', '9223372036854775807'] as const;

@Controller('v1/audit/checkpoints')
@RequireScope('audit:read')
@ApiTags('audit')
export class CheckpointsController {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  @Get()
  @ApiOperation({
    summary: 'Signed checkpoints, newest first',
    description: "The states of chains that the service has signed: docs/audit-format.md. They hold nobody's data.",
  })
  @ApiQuery({ name: 'chain', required: false, description: 'Only of this one, <topic>/<partition>' })
  @ApiQuery({ name: 'limit', required: false, description: `${PAGE.min} to ${PAGE.max}, default ${PAGE.fallback}` })
  @ApiQuery({ name: 'cursor', required: false, description: '`nextCursor` of the page before' })
  @ApiOkResponse({ description: 'A page; the last one has no `nextCursor`', schema: LIST_SCHEMA })
  async list(@Query() query: unknown): Promise<{ data: CheckpointView[]; nextCursor: string | null }> {
    const parameters = new QueryParameters(query, ['chain', 'limit', 'cursor']);
    const limit = parameters.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback;
    const chain = chainIn(parameters.text('chain', 300));
    const after = placeIn(parameters.text('cursor', 1000));
    const rows = await (chain
      ? this.#database.query<CheckpointRow>(LIST_CHECKPOINTS_OF_CHAIN, [...chain, after[3], limit + 1])
      : this.#database.query<CheckpointRow>(LIST_CHECKPOINTS, [...after, limit + 1]));
    const page = rows.slice(0, limit);
    const last = page.at(-1);
    return { data: page.map(view), nextCursor: rows.length > limit && last ? cursorAfter(last) : null };
  }
}

function chainIn(text: string | undefined): [topic: string, partition: number] | undefined {
  if (text === undefined) return undefined;
  const [, topic, partition] = /^([\w.-]{1,249})\/(\d{1,9})$/.exec(text) ?? [];
  if (topic === undefined) throw invalidParameter('chain', 'must be <topic>/<partition>');
  return [topic, Number(partition)];
}

const cursorAfter = ({ signed_ms, topic, partition, size }: CheckpointRow): string =>
  encodeCursor([signed_ms, topic, String(partition), size]);

const placeIn = (cursor: string | undefined): readonly string[] =>
  cursor === undefined ? FIRST : decodeCursor(cursor, /^\d{1,16}$/, /^[\w.-]{1,249}$/, /^\d{1,9}$/, /^\d{1,16}$/);

const view = ({ topic, partition, size, root, note, signed_ms }: CheckpointRow): CheckpointView => ({
  chain: chainName(topic, partition),
  size: Number(size),
  root: root.toString('hex'),
  note,
  at: new Date(Number(signed_ms)).toISOString(),
});
