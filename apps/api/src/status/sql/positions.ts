/**
 * Locks partitions' positions for the rest of the transaction, making those that are not there: sorted, so that two transactions
 * with some of the same wait for one another instead of dead-locking. Gives the next offsets.
 */
export const CLAIM_POSITIONS = {
  name: 'projection_claim',
  text: `
    INSERT INTO projection_offsets AS p (topic, partition, next_offset)
    SELECT topic, partition, 0 FROM unnest($1::text[], $2::integer[]) AS r (topic, partition) ORDER BY topic, partition
    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = p.next_offset
    RETURNING topic, partition, next_offset AS "nextOffset"`,
};

export const ADVANCE_POSITIONS = {
  name: 'projection_advance',
  text: `
    UPDATE projection_offsets p SET next_offset = r.next_offset
      FROM unnest($1::text[], $2::integer[], $3::bigint[]) AS r (topic, partition, next_offset)
     WHERE p.topic = r.topic AND p.partition = r.partition`,
};

export const READ_POSITIONS = {
  name: 'projection_positions',
  text: 'SELECT topic, partition, next_offset AS "nextOffset" FROM projection_offsets',
};
