import type { Golden, GoldenEvent } from './corpus.ts';
import { keyOf, REQUESTED } from './requests.ts';

/** An endpoint that facts and commands are about. */
export const GONE = 'https://example.org/gone';

/** What is asked of notifications and endpoints, and a person's erasure. */
export function commandEvents(golden: Golden): GoldenEvent[] {
  const { contracts, at } = golden;
  const topic = 'notification.commands.v1';
  const asked = { tenant: 'default', requestedAt: at };
  const cancelled = golden.id(REQUESTED.cancelled);
  // Of a notification that its reader has never heard of: a command may overtake what it is about, and may come too late.
  const unknown = golden.id(20);
  return [
    {
      name: 'command: cancel',
      topic,
      key: keyOf(golden, 'cancelled'),
      event: golden.event(101, 'api', 'bongsu.notification.cancel-requested.v1', cancelled, {
        ...asked,
        notificationId: cancelled,
        apiKeyId: 'bootstrap',
      }),
    },
    {
      name: 'command: redrive',
      topic,
      key: contracts.notificationKey('default', 'golden-unknown'),
      event: golden.event(102, 'api', 'bongsu.delivery.redrive-requested.v1', unknown, {
        ...asked,
        notificationId: unknown,
        deliveryId: contracts.deliveryId(unknown, 'email'),
        channel: 'email',
        version: 2_147_483_647,
        notBefore: at,
        redriveId: golden.id(103),
        requestedBy: 'bootstrap',
      }),
    },
    {
      name: 'command: enable',
      topic,
      key: contracts.endpointKey('default', 'webhook', GONE),
      event: golden.event(104, 'api', 'bongsu.endpoint.enable-requested.v1', contracts.endpointHash(GONE), {
        ...asked,
        channel: 'webhook',
        endpoint: GONE,
        version: 1,
        requestedBy: 'bootstrap',
      }),
    },
    {
      name: 'directory: erased',
      topic: 'directory.recipients.v1',
      key: contracts.notificationKey('default', 'golden-erased'),
      event: golden.event(105, 'api', 'bongsu.recipient.erased.v1', 'golden-erased', {
        erasureId: golden.id(105),
        tenant: 'default',
        recipientId: 'golden-erased',
        erasedAt: at,
        apiKeyId: 'bootstrap',
      }),
    },
  ];
}
