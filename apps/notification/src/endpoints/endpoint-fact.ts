import {
  ENDPOINT_DISABLED,
  ENDPOINT_ENABLED,
  TOPICS,
  encodeEvent,
  endpointHash,
  endpointKey,
  newEventId,
  type Channel,
  type EndpointFact,
  type OutgoingRecord,
} from '@bongsu/contracts';
import type { ChangedRow } from './sql/endpoints.js';

/** The record that tells the other services that an endpoint is called no more, or again. */
export function endpointFact(what: 'disabled' | 'enabled', row: ChangedRow): OutgoingRecord {
  const { tenant, channel, endpoint, version, delivery_id: deliveryId, at } = row;
  const time = at.toISOString();
  const data: EndpointFact = { tenant, channel: channel as Channel, endpoint, version, at: time, deliveryId };
  return encodeEvent(TOPICS.events, endpointKey(tenant, channel, endpoint), {
    id: newEventId(),
    source: '/bongsu/notification',
    type: what === 'disabled' ? ENDPOINT_DISABLED : ENDPOINT_ENABLED,
    subject: endpointHash(endpoint),
    time,
    data,
  });
}
