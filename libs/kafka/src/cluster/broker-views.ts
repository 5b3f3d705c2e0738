import type { LowLevelCluster, TopicMetadata } from './low-level.js';

/**
 * Topics as each broker that is up knows them, or why it does not answer: the controller tells the others of what it decides,
 * and one may be asked before it has heard. No topics: all of them.
 */
export async function brokerViews(
  cluster: LowLevelCluster,
  topics: readonly string[],
): Promise<PromiseSettledResult<readonly TopicMetadata[]>[]> {
  await cluster.refreshMetadata();
  const { brokers } = await cluster.metadata({ topics: [] });
  return Promise.allSettled(
    brokers.map(async ({ nodeId }) => {
      const broker = await cluster.findBroker({ nodeId });
      return (await broker.metadata(topics)).topicMetadata;
    }),
  );
}
