import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import {
  BongsuError,
  encodeEvent,
  newEventId,
  notificationKey,
  RECIPIENT_ERASED,
  TOPICS,
  type RecipientErased,
} from '@bongsu/contracts';
import { Caller, invalidParameter, QueryParameters, RequireScope, type CallerIdentity } from '@bongsu/http';
import { KafkaProducer } from '@bongsu/kafka';
import { Type } from 'typebox';
import { Eraser } from './eraser.js';

const described = {
  erasureId: Type.String({ format: 'uuid' }),
  requestedAt: Type.String({ format: 'date-time' }),
};
const AcceptedSchema = Type.Object(described, { additionalProperties: false, title: 'ErasureAccepted' });
const ErasureSchema = Type.Object(
  {
    ...described,
    notifications: Type.Integer({ description: 'Those of this recipient that were erased here so far' }),
    done: Type.Boolean({ description: 'Nothing is left of this recipient in what this API shows' }),
  },
  { additionalProperties: false, title: 'Erasure' },
);

@ApiTags('recipients')
@Controller('v1/recipients/:id')
@RequireScope('recipients:erase')
export class ErasureController {
  private readonly producer: KafkaProducer;
  private readonly eraser: Eraser;
  constructor(producer: KafkaProducer, eraser: Eraser) {
    this.producer = producer;
    this.eraser = eraser;
  }

  @Delete()
  @HttpCode(202)
  @ApiOperation({
    summary: "Erase a recipient's data everywhere",
    description:
      'Contents, addresses and answers of everything accepted up to now leave the ledger, the read model and the audit trail, ' +
      'which still verifies; what has not been sent is cancelled. docs/guides/erasure.md says what stays, and where, for how long.',
  })
  @ApiQuery({ name: 'erase', required: true, schema: { type: 'string', enum: ['true'] } })
  @ApiResponse({ status: 202, description: 'It is on its way', schema: AcceptedSchema })
  async erase(@Param('id') id: string, @Query() query: unknown, @Caller() caller: CallerIdentity) {
    const given = new QueryParameters(query, ['erase']);
    // Without the word, a DELETE would be about the entry in the directory, which is something else.
    if (given.oneOf('erase', ['true']) === undefined)
      throw invalidParameter('erase', 'must be true: what can be asked for here is to erase a recipient');
    const recipientId = checked(id);
    const erasureId = newEventId();
    const erasedAt = new Date().toISOString();
    const data: RecipientErased = { erasureId, tenant: caller.tenant, recipientId, erasedAt, apiKeyId: caller.keyId };
    await this.producer.send(
      encodeEvent(TOPICS.recipients, notificationKey(caller.tenant, recipientId), {
        id: erasureId,
        source: '/bongsu/api',
        type: RECIPIENT_ERASED,
        subject: erasureId,
        time: erasedAt,
        data,
      }),
    );
    return { erasureId, requestedAt: erasedAt };
  }

  @Get('erasure')
  @ApiOperation({ summary: "What a recipient's last erasure came to" })
  @ApiResponse({ status: 200, description: 'The erasure', schema: ErasureSchema })
  async show(@Param('id') id: string, @Query() query: unknown, @Caller() caller: CallerIdentity) {
    QueryParameters.refuseAll(query);
    const row = await this.eraser.find(caller.tenant, checked(id));
    if (!row) throw new BongsuError('not_found', 'No erasure of this recipient is known here');
    return {
      erasureId: row.id,
      requestedAt: row.requestedAt.toISOString(),
      notifications: Number(row.notifications),
      done: row.sweptAt !== null,
    };
  }
}

/** As the schema of a request's recipient has it. */
function checked(id: string): string {
  if (id.length > 256 || !id.isWellFormed() || /\p{Cc}/u.test(id))
    throw invalidParameter('id', 'must have 1 to 256 characters and no control characters');
  return id;
}
