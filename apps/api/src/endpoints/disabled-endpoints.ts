import {
  BongsuError,
  ENABLE_REQUESTED,
  encodeEvent,
  endpointHash,
  endpointKey,
  endpointUrl,
  newEventId,
  TOPICS,
  type Channel,
  type EnableRequested,
} from '@bongsu/contracts';
import type { CallerIdentity } from '@bongsu/http';
import type { KafkaProducer } from '@bongsu/kafka';
import type { Database } from '../database/database.js';
import { FIND_DISABLED, LIST_DISABLED } from './sql/endpoints.js';

export interface DisabledRow {
  readonly channel: Channel;
  readonly endpoint: string;
  readonly disabledAt: Date;
  /** The delivery by whose answer it was disabled. */
  readonly deliveryId: string;
  readonly hash: string;
}

/** Where a page of the list begins. */
export interface DisabledPlace {
  readonly disabledAt: Date | 'infinity';
  readonly hash: string;
}

/** Before every entry. */
export const NEWEST: DisabledPlace = { disabledAt: 'infinity', hash: '' };

/** Endpoints that are called no more, because they answered that they are gone. */
export class DisabledEndpoints {
  private readonly database: Database;
  private readonly producer: Pick<KafkaProducer, 'send'>;

  constructor(database: Database, producer: Pick<KafkaProducer, 'send'>) {
    this.database = database;
    this.producer = producer;
  }

  /** Newest first, after `place`. Throws database_unavailable. */
  list(tenant: string, place: DisabledPlace, limit: number): Promise<DisabledRow[]> {
    return this.database.query<DisabledRow>(LIST_DISABLED, [tenant, place.disabledAt, place.hash, limit]);
  }

  /**
   * Asks for an endpoint to be called again; it is within seconds. Throws not_found when it is not disabled,
   * kafka_unavailable, database_unavailable.
   */
  async enable(channel: Channel, text: string, caller: CallerIdentity): Promise<{ channel: string; endpoint: string }> {
    const endpoint = endpointUrl(text);
    const [found] =
      endpoint === undefined
        ? []
        : await this.database.query<{ version: number }>(FIND_DISABLED, [
            caller.tenant,
            channel,
            endpointHash(endpoint),
          ]);
    if (endpoint === undefined || !found) throw new BongsuError('not_found', 'That endpoint is not disabled');
    const requestedAt = new Date().toISOString();
    const data: EnableRequested = {
      tenant: caller.tenant,
      channel,
      endpoint,
      version: found.version,
      requestedAt,
      requestedBy: caller.keyId,
    };
    await this.producer.send(
      encodeEvent(TOPICS.commands, endpointKey(caller.tenant, channel, endpoint), {
        id: newEventId(),
        source: '/bongsu/api',
        type: ENABLE_REQUESTED,
        subject: endpointHash(endpoint),
        time: requestedAt,
        data,
      }),
    );
    return { channel, endpoint };
  }
}
