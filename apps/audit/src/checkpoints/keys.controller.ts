import { QueryParameters, RequireScope } from '@bongsu/http';
import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Database } from '../database/database.js';
import { CheckpointKeys } from './checkpoint-keys.js';
import { ANNOUNCEMENTS } from './sql/checkpoints.js';

const SCHEMA = {
  type: 'object',
  properties: {
    keys: {
      type: 'array',
      items: { type: 'string' },
      description: 'Verifier keys, <name>+<key id>+<base64>; the first is the one that signs',
    },
  },
};

@Controller('v1/audit/keys')
@RequireScope('audit:read')
@ApiTags('audit')
export class KeysController {
  readonly #database: Database;
  readonly #keys: CheckpointKeys;

  constructor(database: Database, keys: CheckpointKeys) {
    this.#database = database;
    this.#keys = keys;
  }

  @Get()
  @ApiOperation({
    summary: 'The public keys that checkpoints are verified with',
    description:
      'The one that signs, and those that announcements bind to it. Who is not to depend on this service should be given one key by another way.',
  })
  @ApiOkResponse({ description: 'No keys when checkpoints are not signed', schema: SCHEMA })
  async list(@Query() query: unknown): Promise<{ keys: string[] }> {
    QueryParameters.refuseAll(query);
    return { keys: await verifierKeys(this.#database, this.#keys) };
  }
}

/** The verifier keys, the one that signs first. */
export async function verifierKeys(database: Database, keys: CheckpointKeys): Promise<string[]> {
  const rows = await database.query<{ note: string }>(ANNOUNCEMENTS);
  const all = keys.ring(rows.map(({ note }) => note)).keys.map(String);
  const current = keys.current?.verifier.toString();
  return [...(current === undefined ? [] : [current]), ...all.filter((key) => key !== current)];
}
