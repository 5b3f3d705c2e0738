import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The chains. Every column of `records` is in its hash or follows from what is, and verifying checks each: there is no
 * column that could be changed unnoticed. That is why there is no time of recording and no default (ADR 8).
 *
 * Partitioned by Kafka's own timestamp: a record has one for ever, so that uniqueness over (offset, timestamp) is
 * uniqueness of the offset, and rebuilding puts each row where it was. Timestamps that are no time of ours (a producer may
 * write any 64 bits) go to the default partition.
 */
export class Chain1795219300000 implements MigrationInterface {
  name = 'Chain1795219300000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE chains (
        topic text NOT NULL,
        partition integer NOT NULL,
        sequence bigint NOT NULL,
        hash bytea NOT NULL,
        next_offset bigint NOT NULL,
        epoch integer NOT NULL,
        PRIMARY KEY (topic, partition)
      ) WITH (fillfactor = 50);

      CREATE TABLE records (
        topic text NOT NULL,
        partition integer NOT NULL,
        sequence bigint NOT NULL CHECK (sequence >= 1),
        "offset" bigint NOT NULL,
        epoch integer NOT NULL,
        timestamp_ms bigint NOT NULL,
        key bytea,
        headers bytea NOT NULL,
        payload bytea,
        salt bytea,
        payload_digest bytea NOT NULL,
        hash bytea NOT NULL,
        event_id text,
        type text,
        subject text,
        tenant text,
        recipient text,
        PRIMARY KEY (topic, partition, sequence, timestamp_ms),
        UNIQUE (topic, partition, epoch, "offset", timestamp_ms)
      ) PARTITION BY RANGE (timestamp_ms);
      CREATE TABLE records_default PARTITION OF records DEFAULT;

      CREATE INDEX records_subject ON records (subject) WHERE subject IS NOT NULL;
      CREATE INDEX records_tenant ON records (tenant, timestamp_ms);
      CREATE INDEX records_time ON records (timestamp_ms);
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE records; DROP TABLE chains;');
  }
}
