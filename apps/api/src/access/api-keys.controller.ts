import { Body, Controller, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import { BongsuError, BOOTSTRAP_IDENTITY, contract, isId, SCOPES, type Scope } from '@bongsu/contracts';
import {
  Caller,
  decodeCursor,
  encodeCursor,
  invalidBody,
  PAGE,
  QueryParameters,
  RequireScope,
  type CallerIdentity,
} from '@bongsu/http';
import { Type, type Static } from 'typebox';
import { pageOf } from '../status/published.js';
import type { ApiKey } from './api-key.entity.js';
import { ApiKeys } from './api-keys.js';

const ApiKeyRequest = contract(
  Type.Object(
    {
      name: Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' }),
      tenant: Type.String({ pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' }),
      scopes: Type.Optional(
        Type.Array(Type.Unsafe<Scope>({ type: 'string', enum: SCOPES }), { minItems: 1, maxItems: SCOPES.length }),
      ),
      expiresAt: Type.Optional(Type.String({ format: 'date-time', maxLength: 40 })),
    },
    { additionalProperties: false, title: 'ApiKeyRequest' },
  ),
);
type ApiKeyRequest = Static<typeof ApiKeyRequest.schema>;

const time = Type.String({ format: 'date-time' });
const described = {
  id: Type.String({ format: 'uuid' }),
  name: Type.String(),
  tenant: Type.String(),
  scopes: Type.Array(Type.Unsafe<Scope>({ type: 'string', enum: SCOPES })),
  createdAt: time,
  expiresAt: Type.Optional(time),
  revokedAt: Type.Optional(time),
};
const ApiKeySchema = Type.Object(described, { additionalProperties: false, title: 'ApiKey' });
const NewApiKeySchema = Type.Object(
  { ...described, key: Type.String({ description: 'The key itself, shown this once' }) },
  { additionalProperties: false, title: 'NewApiKey' },
);

@ApiTags('API keys')
@Controller('v1/api-keys')
@RequireScope('admin')
export class ApiKeysController {
  private readonly keys: ApiKeys;
  constructor(keys: ApiKeys) {
    this.keys = keys;
  }

  @Post()
  @ApiOperation({ summary: 'Make an API key; the answer is the only place where the key itself is shown' })
  @ApiResponse({ status: 201, description: 'The key', schema: NewApiKeySchema as never })
  async create(@Body({ schema: ApiKeyRequest }) body: ApiKeyRequest, @Caller() caller: CallerIdentity) {
    const own = ownTenant(caller);
    if (own !== undefined && body.tenant !== own) {
      throw new BongsuError('forbidden', `This key may make keys of tenant ${own} only`);
    }
    const { key, secret } = await this.keys.create({ ...body, expiresAt: expiry(body.expiresAt) }, caller.keyId);
    return { ...view(key), key: secret };
  }

  @Get()
  @ApiOperation({ summary: 'API keys, newest first' })
  @ApiQuery({ name: 'limit', required: false, schema: { type: 'integer', minimum: PAGE.min, maximum: PAGE.max } })
  @ApiQuery({ name: 'cursor', required: false, schema: { type: 'string' } })
  @ApiResponse({ status: 200, description: 'A page', schema: pageOf(ApiKeySchema) as never })
  async list(@Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, ['limit', 'cursor']);
    const limit = given.integer('limit', PAGE.min, PAGE.max) ?? PAGE.fallback;
    const cursor = given.text('cursor', 500);
    const [after] = cursor === undefined ? [] : decodeCursor(cursor, UUID);
    const rows = await this.keys.list(ownTenant(caller), limit + 1, after);
    const data = rows.slice(0, limit);
    return { data: data.map(view), nextCursor: rows.length > limit ? encodeCursor([data.at(-1)!.id]) : null };
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an API key, everywhere within seconds' })
  @ApiResponse({ status: 204, description: 'Revoked' })
  async revoke(@Param('id') id: string, @Caller() caller: CallerIdentity): Promise<void> {
    if (!isId(id)) throw new BongsuError('not_found', 'There is no such API key');
    await this.keys.revoke(id, ownTenant(caller), caller.keyId);
  }
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The tenant that a caller is limited to. An admin of the bootstrap tenant is the operator, who manages every tenant's keys. */
const ownTenant = ({ tenant }: CallerIdentity): string | undefined =>
  tenant === BOOTSTRAP_IDENTITY.tenant ? undefined : tenant;

function expiry(text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const at = new Date(text);
  if (!(at.getTime() > Date.now())) throw invalidBody({ pointer: '/expiresAt', detail: 'must be in the future' });
  return at;
}

const view = ({ id, name, tenant, scopes, createdAt, expiresAt, revokedAt }: ApiKey) => ({
  id,
  name,
  tenant,
  scopes,
  createdAt: createdAt.toISOString(),
  ...(expiresAt ? { expiresAt: expiresAt.toISOString() } : {}),
  ...(revokedAt ? { revokedAt: revokedAt.toISOString() } : {}),
});
