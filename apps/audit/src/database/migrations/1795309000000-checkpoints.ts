import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Signed checkpoints and the inner nodes of the trees that they are of (ADR 16). Nothing of either is ever changed: what is
 * written is a copy of what anybody can compute from the records, and the signature.
 */
export class Checkpoints1795309000000 implements MigrationInterface {
  name = 'Checkpoints1795309000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE checkpoints (
        topic text NOT NULL,
        partition integer NOT NULL,
        size bigint NOT NULL CHECK (size >= 1),
        root bytea NOT NULL,
        -- The roots of the full subtrees, from which the tree is grown on without reading what is before.
        peaks bytea NOT NULL,
        note text NOT NULL,
        -- Milliseconds since 1970.
        signed_ms bigint NOT NULL,
        PRIMARY KEY (topic, partition, size)
      );
      CREATE INDEX checkpoints_signed ON checkpoints (signed_ms, topic, partition, size);
      -- The few that announce a key.
      CREATE INDEX checkpoints_announcements ON checkpoints (size) WHERE note LIKE E'%\\nnext-key %';

      -- Which checkpoints Kafka has: after a crash between the two, the others are published.
      CREATE TABLE checkpoint_publications (
        topic text NOT NULL,
        partition integer NOT NULL,
        size bigint NOT NULL,
        PRIMARY KEY (topic, partition, size),
        FOREIGN KEY (topic, partition, size) REFERENCES checkpoints
      );

      -- 256 neighbouring hashes of one level of a tree, where all 256 are there. Level 0 are the leaves; one level here is 8
      -- of the tree, since a full tile's root is one hash of the level above.
      CREATE TABLE tree_tiles (
        topic text NOT NULL,
        partition integer NOT NULL,
        level integer NOT NULL,
        index bigint NOT NULL,
        hashes bytea NOT NULL CHECK (octet_length(hashes) = 8192),
        PRIMARY KEY (topic, partition, level, index)
      );
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE tree_tiles; DROP TABLE checkpoint_publications; DROP TABLE checkpoints;');
  }
}
