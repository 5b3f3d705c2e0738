import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What is to be erased, read off the records that ask for it, and that it was done: one row each, both written once
 * (ADR 11: nothing is updated). Nothing of either is hashed; both are made again when the store is rebuilt.
 */
export class Erasures1795306000000 implements MigrationInterface {
  name = 'Erasures1795306000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE erasures (
        id text PRIMARY KEY,
        tenant text NOT NULL,
        recipient text NOT NULL,
        -- Milliseconds since 1970. What was accepted later is not touched.
        requested_ms bigint NOT NULL
      );
      CREATE INDEX erasures_recipient ON erasures (tenant, recipient);

      CREATE TABLE erasures_done (
        id text PRIMARY KEY REFERENCES erasures,
        records bigint NOT NULL,
        done_at timestamptz NOT NULL DEFAULT now()
      );

      DO $$
      BEGIN
        -- The tenant of a record whose key does not say it too is only known by its payload, and goes with it.
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'bongsu_audit_eraser') THEN
          GRANT UPDATE (tenant) ON records TO bongsu_audit_eraser;
          GRANT SELECT ON erasures TO bongsu_audit_eraser;
        END IF;
      END
      $$;

      CREATE INDEX records_recipient ON records (tenant, recipient, timestamp_ms) WHERE recipient IS NOT NULL;
      CREATE INDEX records_type ON records (type, timestamp_ms) WHERE type IS NOT NULL;
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP INDEX records_type;
      DROP INDEX records_recipient;
      DROP TABLE erasures_done;
      DROP TABLE erasures;
    `);
  }
}
