import { ALL_TOPICS, GROUPS, type Group } from '@bongsu/contracts';
import type { ClusterLook, GroupState, PartitionLag, TopicAdmin } from '@bongsu/kafka';
import { failed, ok, warning, type Finding } from './finding.js';
import { duration } from './time.js';

/** A group that is further behind than this is worth a word: records, and seconds (the alert ConsumerGroupLate). */
const MUCH = 10_000n;
const LATE_SECONDS = 60;
/** Of the time that a topic is kept: who is further behind will soon miss records. */
const NEARLY_LOST = 0.5;

const SERVICES: Readonly<Record<Group, string>> = {
  'bongsu.notification': 'notification',
  'bongsu.status': 'api',
  'bongsu.audit': 'audit',
};

/** Who reads: that somebody does, and how far it is. @param now milliseconds since 1970 */
export async function examineGroups(
  admin: TopicAdmin,
  look: ClusterLook,
  prefix: string,
  now: number,
): Promise<Finding[]> {
  const states = new Map<string, GroupState>();
  // Not to be had while a partition of the cluster has no leader; the lag is, for the others.
  for (const state of await look.groups(now).catch(() => [])) states.set(state.group, state);
  const lags = await admin.consumerLag();
  return Object.values(GROUPS).map((group) =>
    groupFinding(
      group,
      lags.get(group) ?? [],
      states.size === 0 ? undefined : (states.get(prefix + group) ?? NOBODY),
      prefix,
    ),
  );
}

const NOBODY: Pick<GroupState, 'members' | 'unread'> = { members: 0, unread: [] };

function groupFinding(
  group: Group,
  partitions: readonly PartitionLag[],
  state: Pick<GroupState, 'members' | 'unread'> | undefined,
  prefix: string,
): Finding {
  const what = `group ${group}`;
  const service = SERVICES[group];
  const behind = partitions.reduce((sum, { lag }) => sum + lag, 0n);
  const oldest = (state?.unread ?? [])
    .filter(({ records }) => records > 0n)
    .toSorted((a, b) => (b.seconds ?? 0) - (a.seconds ?? 0))[0];
  const age = oldest?.seconds ?? 0;
  const members = state === undefined ? '' : `${state.members} member(s), `;
  const position = behind === 0n ? 'has read everything' : `${behind} records behind, the oldest for ${duration(age)}`;
  const detail = `${members}${position}`;
  if (state?.members === 0)
    return failed(
      what,
      `nobody reads: ${detail}`,
      `Start ${service}, or see its log (docs/runbook.md#consumergroupwithoutmembers)`,
    );
  const kept = retentionSeconds(oldest?.topic, prefix);
  if (age > kept * NEARLY_LOST)
    return failed(
      what,
      `${detail}; ${oldest?.topic} is kept for ${duration(kept)}`,
      'Kafka will drop records that nobody has read: raise retention.ms now, then see why',
    );
  const neverCommitted = partitions.length > 0 && partitions.every(({ committed }) => committed === undefined);
  if (neverCommitted && behind > 0n && state === undefined)
    return failed(what, `has never committed, and ${behind} records wait`, `Start ${service}, or see its log`);
  if (behind > MUCH || age > LATE_SECONDS)
    return warning(what, detail, `See the log of ${service}, or start more of it (docs/runbook.md#consumergrouplate)`);
  return ok(what, detail);
}

function retentionSeconds(topic: string | undefined, prefix: string): number {
  const declared = ALL_TOPICS.find(({ name }) => prefix + name === topic);
  if (!declared || declared.cleanup === 'compact' || declared.retentionMs < 0) return Infinity;
  return declared.retentionMs / 1000;
}
