import { chainsIn } from './chains-in.js';
import { chainName } from '../record.js';
import type { Query } from './store.js';

/** Whether the store has a table of checkpoints at all: older ones have none. */
export async function hasCheckpoints(query: Query): Promise<boolean> {
  const [found] = await query<{ there: boolean }>("SELECT to_regclass('checkpoints') IS NOT NULL AS there");
  return found?.there === true;
}

/** The checkpoints of a chain whose size is more than $3 and at most $4. */
export const CHECKPOINTS = `
  SELECT topic, partition, size, root, note FROM checkpoints
  WHERE topic = $1 AND partition = $2 AND size > $3 AND size <= $4 ORDER BY size`;

export const NEWEST_CHECKPOINT = `
  SELECT topic, partition, size, root, note FROM checkpoints
  WHERE topic = $1 AND partition = $2 ORDER BY size DESC LIMIT 1`;

/** Those that announce a key; which of them count, their own signatures tell. */
export const ANNOUNCEMENTS = `SELECT note FROM checkpoints WHERE note LIKE E'%\\nnext-key %' ORDER BY size LIMIT 1000`;

/** Hops through the primary key's index from chain to chain. */
const SIGNED = chainsIn('checkpoints');
export const SIGNED_CHAINS = `${SIGNED} SELECT topic, partition FROM found`;

/** The newest checkpoint of every chain. */
const NEWEST_CHECKPOINTS = `${SIGNED}
  SELECT newest.* FROM found, LATERAL (
    SELECT topic, partition, note FROM checkpoints
    WHERE topic = found.topic AND partition = found.partition ORDER BY size DESC LIMIT 1
  ) newest ORDER BY topic, partition`;

/**
 * The checkpoints that go with an export: the newest of each chain, and for a whole export those that announce keys, so that
 * one key is enough to verify it. To be read before the heads, which are then at least as far.
 * @param chain only its own, `<topic>/<partition>`: what is expected of chains that are not there would be missed
 */
export async function checkpointsForExport(query: Query, chain: string | undefined): Promise<string[]> {
  if (!(await hasCheckpoints(query))) return [];
  const newest = await query<{ topic: string; partition: number; note: string }>(NEWEST_CHECKPOINTS);
  if (chain !== undefined)
    return newest.filter(({ topic, partition }) => chainName(topic, partition) === chain).map(({ note }) => note);
  const announcements = await query<{ note: string }>(ANNOUNCEMENTS);
  return [...new Set([...announcements, ...newest].map(({ note }) => note))];
}
