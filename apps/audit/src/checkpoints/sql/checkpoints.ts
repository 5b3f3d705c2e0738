/** A row of `checkpoints`, as pg gives it. */
export interface CheckpointRow {
  readonly topic: string;
  readonly partition: number;
  readonly size: string;
  readonly root: Buffer;
  readonly peaks: Buffer;
  readonly note: string;
  readonly signed_ms: string;
}

/** One replica at a time signs a chain ($1, its name); whoever comes second need not wait, as it is being done. */
export const TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('audit checkpoint ' || $1, 0)) AS locked";

/** Announcing a key takes turns across all chains: it is done once. */
export const LOCK_ANNOUNCEMENT = "SELECT pg_advisory_xact_lock(hashtextextended('audit checkpoint keys', 0))";

/** The newest checkpoint of a chain. */
export const NEWEST = `
  SELECT topic, partition, size, root, peaks, note, signed_ms FROM checkpoints
   WHERE topic = $1 AND partition = $2 ORDER BY size DESC LIMIT 1`;

/** The newest checkpoint of each of the chains ($1 topics, $2 partitions) that has one. */
export const NEWEST_OF_EACH = `
  SELECT newest.* FROM unnest($1::text[], $2::integer[]) AS chain (topic, partition), LATERAL (
    SELECT topic, partition, size, root, note FROM checkpoints c
     WHERE c.topic = chain.topic AND c.partition = chain.partition ORDER BY size DESC LIMIT 1
  ) newest`;

/** Those that announce a key. The condition is, word for word, that of the index. */
export const ANNOUNCEMENTS = `SELECT note FROM checkpoints WHERE note LIKE E'%\\nnext-key %' ORDER BY signed_ms`;

export const INSERT_CHECKPOINT = `
  INSERT INTO checkpoints (topic, partition, size, root, peaks, note, signed_ms) VALUES ($1, $2, $3, $4, $5, $6, $7)`;

/** The linked hashes of a chain's entries from $3 to $4; the order makes a forged second one in a place stand beside it. */
export const HASHES = `
  SELECT sequence, hash FROM records WHERE topic = $1 AND partition = $2 AND sequence >= $3 AND sequence <= $4
   ORDER BY sequence, timestamp_ms`;

/** What follows on given sizes ($3) of chains ($1, $2): a piece of each, in the order of size. */
export const FOLLOWING = `
  SELECT following.* FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS chain (topic, partition, size), LATERAL (
    SELECT topic, partition, size, note FROM checkpoints c
     WHERE c.topic = chain.topic AND c.partition = chain.partition AND c.size > chain.size ORDER BY size LIMIT 100
  ) following`;
