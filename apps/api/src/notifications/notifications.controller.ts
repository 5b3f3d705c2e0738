import { Body, Controller, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import { NotificationRequest } from '@bongsu/contracts';
import { Caller, RequireScope, traceOf, type CallerIdentity } from '@bongsu/http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Acceptance } from './acceptance.js';
import { Cancellation } from './cancellation.js';
import { acceptOptions } from './request-headers.js';

const ACCEPTED_SCHEMA = {
  type: 'object',
  required: ['id', 'status', 'acceptedAt'],
  properties: {
    id: { type: 'string', format: 'uuid' },
    status: { type: 'string', const: 'accepted' },
    acceptedAt: { type: 'string', format: 'date-time' },
  },
} as const;

@ApiTags('Notifications')
@Controller('v1/notifications')
@RequireScope('notifications:write')
export class NotificationsController {
  private readonly acceptance: Acceptance;
  private readonly cancellation: Cancellation;
  constructor(acceptance: Acceptance, cancellation: Cancellation) {
    this.acceptance = acceptance;
    this.cancellation = cancellation;
  }

  @Post()
  @HttpCode(202)
  @ApiOperation({
    summary: 'Accept a notification: 202 means that it is kept and will be delivered or end in a stated way',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: { type: 'string', minLength: 1, maxLength: 255 },
    description: 'The same key and body again is the same notification',
  })
  @ApiResponse({
    status: 202,
    description: 'Accepted; Location says where to see what becomes of it',
    schema: ACCEPTED_SCHEMA as never,
  })
  async accept(
    @Body({ schema: NotificationRequest }) body: NotificationRequest,
    @Caller() caller: CallerIdentity,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    const { id, acceptedAt, replayed } = await this.acceptance.accept(body, caller, acceptOptions(request));
    request.notificationId = id;
    reply.header('location', `/v1/notifications/${id}`);
    if (replayed) reply.header('idempotency-replayed', 'true');
    return { id, status: 'accepted', acceptedAt };
  }

  @Post(':id/cancel')
  @HttpCode(202)
  @ApiOperation({ summary: 'Cancel what has not been sent yet' })
  @ApiResponse({ status: 202, description: 'The cancellation is on its way; a delivery in flight may still arrive' })
  async cancel(@Param('id') id: string, @Caller() caller: CallerIdentity, @Req() request: FastifyRequest) {
    const cancelled = await this.cancellation.cancel(id, caller, traceOf(request));
    request.notificationId = cancelled.id;
    return cancelled;
  }
}
