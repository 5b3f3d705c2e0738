const COLUMNS = 'topic, partition, size, root, note, signed_ms';

/** Newest first, from behind a place ($1 to $4) on; $5 how many. */
export const LIST_CHECKPOINTS = `
  SELECT ${COLUMNS} FROM checkpoints
   WHERE (signed_ms, topic, partition, size) < ($1::bigint, $2::text, $3::integer, $4::bigint)
   ORDER BY signed_ms DESC, topic DESC, partition DESC, size DESC LIMIT $5`;

/** Of one chain ($1, $2), the largest first, below a size ($3); $4 how many. */
export const LIST_CHECKPOINTS_OF_CHAIN = `
  SELECT ${COLUMNS} FROM checkpoints WHERE topic = $1 AND partition = $2 AND size < $3::bigint
   ORDER BY size DESC LIMIT $4`;
