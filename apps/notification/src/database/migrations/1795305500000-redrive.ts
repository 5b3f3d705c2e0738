import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Redriven deliveries start their retry schedule anew while their attempts are counted on. Endpoints that answered that they
 * are gone. The inbox goes: what it was for is done by primary keys and by versions.
 */
export class Redrive1795305500000 implements MigrationInterface {
  name = 'Redrive1795305500000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE deliveries ADD COLUMN schedule_from integer NOT NULL DEFAULT 0;

      -- A row stays when its endpoint is enabled again (disabled_at is NULL then), because its version must go on.
      CREATE TABLE disabled_endpoints (
        tenant text NOT NULL,
        channel text NOT NULL,
        endpoint_hash bytea NOT NULL,
        endpoint text NOT NULL,
        version integer NOT NULL,
        disabled_at timestamptz,
        enabled_at timestamptz,
        delivery_id uuid NOT NULL,
        called_at timestamptz NOT NULL,
        changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (tenant, channel, endpoint_hash)
      );
      CREATE INDEX disabled_endpoints_changed ON disabled_endpoints (changed_at);

      DROP TABLE inbox;
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE inbox (record_id text PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT now());
      CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);
      DROP TABLE disabled_endpoints;
      ALTER TABLE deliveries DROP COLUMN schedule_from;
    `);
  }
}
