/** Tiles of one level ($3) of a chain's tree ($1, $2): $4 their indexes, $5 their hashes. */
export const INSERT_TILES = `
  INSERT INTO tree_tiles (topic, partition, level, index, hashes)
  SELECT $1, $2, $3, tile.* FROM unnest($4::bigint[], $5::bytea[]) AS tile (index, hashes)
  ON CONFLICT DO NOTHING`;

/** The tiles of a level, from index $4 on, at most $5. */
export const TILES = `
  SELECT index, hashes FROM tree_tiles
   WHERE topic = $1 AND partition = $2 AND level = $3 AND index >= $4 AND index < $4 + $5 ORDER BY index`;
