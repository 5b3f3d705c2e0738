import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * From here on the store is only inserted into and read (ADR 11). A chain's head is its last record, so nothing needs to be
 * updated; what Kafka left out is a record of its own kind. The default is dropped at once: it is for the rows that are
 * there, which are all Kafka's.
 */
export class InsertOnly1795219400000 implements MigrationInterface {
  name = 'InsertOnly1795219400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP TABLE chains;
      ALTER TABLE records ADD COLUMN kind text NOT NULL DEFAULT 'record' CHECK (kind IN ('record', 'gap'));
      ALTER TABLE records ALTER COLUMN kind DROP DEFAULT;
      DO $$
      BEGIN
        -- Where an operator has made no such role, erasing is done by the role that the service has.
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'bongsu_audit_eraser') THEN
          GRANT SELECT, UPDATE (payload, salt, recipient) ON records TO bongsu_audit_eraser;
        END IF;
      END
      $$;
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
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
      INSERT INTO chains
        SELECT DISTINCT ON (topic, partition) topic, partition, sequence, hash, "offset" + 1, epoch FROM records
        ORDER BY topic, partition, sequence DESC;
      ALTER TABLE records DROP COLUMN kind;
    `);
  }
}
