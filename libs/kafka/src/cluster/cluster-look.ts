import type { Logger } from '@bongsu/observability';
import type { Admin } from 'kafkajs';
import { readPositions } from '../groups/positions.js';
import { UnreadRecords, type Unread } from '../groups/unread.js';
import { AdminLink } from './admin-link.js';
import type { KafkaSettings } from './connection.js';
import { ConfigResourceTypes } from './kafkajs.js';

/** Settings of a broker that decide over what is promised; the first says which version it speaks. */
const LOOKED_AT = [
  'inter.broker.protocol.version',
  'auto.create.topics.enable',
  'unclean.leader.election.enable',
] as const;
const ANSWER_WITHIN_MS = 10_000;

export interface BrokerState {
  readonly id: number;
  readonly address: string;
  readonly isController: boolean;
  /** By name; empty for a client that may not see them. */
  readonly settings: Readonly<Partial<Record<(typeof LOOKED_AT)[number], string>>>;
}

export interface GroupState {
  /** As Kafka knows it, with the prefix. */
  readonly group: string;
  readonly members: number;
  /** Of each partition that it has committed something of. */
  readonly unread: readonly Unread[];
}

/** One look at a cluster, for an operator: its brokers and its groups. Connects by itself; `close` ends the connection. */
export class ClusterLook {
  readonly #link: AdminLink;

  constructor(options: { settings: KafkaSettings; logger: Logger }) {
    this.#link = new AdminLink({ ...options, clientId: 'bongsu-look' });
  }

  /** Brokers that are up, by their ids. Rejects when none answers. */
  brokers(): Promise<BrokerState[]> {
    return this.#link.ask(async (admin) => {
      const { brokers, controller } = await admin.describeCluster();
      const settings = await brokerSettings(
        admin,
        brokers.map(({ nodeId }) => nodeId),
      );
      return brokers
        .map(({ nodeId: id, host, port }) => ({
          id,
          address: `${host}:${port}`,
          isController: id === controller,
          settings: settings.get(id) ?? {},
        }))
        .toSorted((a, b) => a.id - b.id);
    }, ANSWER_WITHIN_MS);
  }

  /** Every group of the cluster. Rejects while a partition has no leader. @param now milliseconds since 1970 */
  groups(now: number): Promise<GroupState[]> {
    return this.#link.askBelow(async (cluster, admin) => {
      const positions = await readPositions(cluster, admin);
      const unread = await new UnreadRecords().look(cluster, positions, now);
      return positions.groups.map(({ group, members }) => ({
        group,
        members,
        unread: unread.filter((each) => each.group === group),
      }));
    }, ANSWER_WITHIN_MS);
  }

  close(): void {
    this.#link.close();
  }
}

/** A broker answers about itself alone. What a client may not see is left out: that it may not is no fault of the cluster. */
async function brokerSettings(admin: Admin, ids: readonly number[]): Promise<Map<number, BrokerState['settings']>> {
  const found = new Map<number, BrokerState['settings']>();
  for (const id of ids) {
    const { resources } = await admin
      .describeConfigs({
        includeSynonyms: false,
        resources: [{ type: ConfigResourceTypes.BROKER, name: String(id), configNames: [...LOOKED_AT] }],
      })
      .catch(() => ({ resources: [] }));
    const entries = resources[0]?.configEntries ?? [];
    found.set(id, Object.fromEntries(entries.map(({ configName, configValue }) => [configName, configValue])));
  }
  return found;
}
