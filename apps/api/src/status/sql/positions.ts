/** Locks a partition's position for the rest of the transaction, making it when it is not there. Gives the next offset. */
export const CLAIM_POSITION = {
  name: 'projection_claim',
  text: `
    INSERT INTO projection_offsets AS p (topic, partition, next_offset) VALUES ($1, $2, 0)
    ON CONFLICT (topic, partition) DO UPDATE SET next_offset = p.next_offset
    RETURNING next_offset AS "nextOffset"`,
};

export const ADVANCE_POSITION = {
  name: 'projection_advance',
  text: 'UPDATE projection_offsets SET next_offset = $3 WHERE topic = $1 AND partition = $2',
};

export const READ_POSITIONS = {
  name: 'projection_positions',
  text: 'SELECT topic, partition, next_offset AS "nextOffset" FROM projection_offsets',
};
