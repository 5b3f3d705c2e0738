import { Body, Controller, Get, HttpCode, Module, Param, Post } from '@nestjs/common';
import { contract, hashApiKey, type Scope } from '@bongsu/contracts';
import { Type } from 'typebox';
import { API_KEY_DIRECTORY, type CallerIdentity } from '../access/api-key.js';
import { Caller, RequireScope } from '../access/scope-guard.js';

/** A small service for the tests of this library. */

export const Thing = contract(
  Type.Object(
    { name: Type.String({ maxLength: 300_000 }), size: Type.Optional(Type.Integer()) },
    { additionalProperties: false },
  ),
);

@Controller('v1/things')
class ThingsController {
  @Get()
  @RequireScope('notifications:read')
  list(@Caller() caller: CallerIdentity) {
    return { tenant: caller.tenant };
  }
  @Get('broken')
  @RequireScope('notifications:read')
  broken(): never {
    throw new Error('the password of the database is hunter2');
  }
  @Get('open')
  forgotten() {
    return 'a handler without a scope';
  }
  @Get(':id')
  @RequireScope('notifications:read')
  one(@Param('id') id: string) {
    return { id };
  }
  @Post()
  @HttpCode(202)
  @RequireScope('notifications:write')
  create(@Body({ schema: Thing }) thing: { name: string }) {
    return { name: thing.name };
  }
}

export const READER = 'reader-key-0123456789-0123456789-0123456789';
export const WRITER = 'writer-key-0123456789-0123456789-0123456789';
export const EXPIRED = 'expired-key-123456789-0123456789-0123456789';
const scopes: Record<string, Scope[]> = {
  [hashApiKey(READER)]: ['notifications:read'],
  [hashApiKey(WRITER)]: ['notifications:write'],
};
export const directory = {
  complete: true,
  find(hash: string) {
    if (hash === hashApiKey(EXPIRED)) return { id: 'x', tenant: 't', scopes: ['admin'], expiresAt: Date.now() - 1 };
    return scopes[hash] ? { id: hash.slice(0, 8), tenant: 'acme', scopes: scopes[hash] } : undefined;
  },
};

@Module({ controllers: [ThingsController], providers: [{ provide: API_KEY_DIRECTORY, useValue: directory }] })
export class ThingsModule {}
