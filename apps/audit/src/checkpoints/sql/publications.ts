/** One replica at a time publishes, so that Kafka has each checkpoint once unless a process dies in between. */
export const TRY_LOCK_PUBLISHING =
  "SELECT pg_try_advisory_xact_lock(hashtextextended('audit checkpoints to Kafka', 0)) AS locked";

/** A piece of what Kafka does not have yet of each of the chains ($1 topics, $2 partitions), in the order of size. */
export const UNPUBLISHED = `
  SELECT unpublished.* FROM unnest($1::text[], $2::integer[]) AS chain (topic, partition), LATERAL (
    SELECT topic, partition, size, note, signed_ms FROM checkpoints c
     WHERE c.topic = chain.topic AND c.partition = chain.partition
       AND c.size > coalesce((
         SELECT size FROM checkpoint_publications p WHERE p.topic = chain.topic AND p.partition = chain.partition
          ORDER BY size DESC LIMIT 1
       ), 0)
     ORDER BY size LIMIT 100
  ) unpublished`;

export const NOTE_PUBLISHED = `
  INSERT INTO checkpoint_publications (topic, partition, size)
  SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[])`;
