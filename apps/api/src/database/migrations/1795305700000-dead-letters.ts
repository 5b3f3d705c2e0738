import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What dead letters are listed and redriven by, in their delivery's row, so that neither needs a join over a million of them;
 * NULL in every state but `dead`. And the endpoints that answered that they are gone.
 */
export class DeadLetters1795305700000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE deliveries
        ADD COLUMN key text,
        ADD COLUMN recipient_id text,
        ADD COLUMN attempts bigint,
        ADD COLUMN error_code text,
        ADD COLUMN error_message text`);
    await runner.query(`
      UPDATE deliveries d
         SET key = n.key, recipient_id = n.recipient_id, attempts = a.number, error_code = a.error->>'code',
             error_message = a.error->>'message'
        FROM notifications n, attempts a
       WHERE d.status = 'dead' AND n.id = d.notification_id AND n.requested
         AND a.notification_id = d.notification_id AND a.channel = d.channel
         AND a.number = (SELECT max(l.number) FROM attempts l
                          WHERE l.notification_id = d.notification_id AND l.channel = d.channel)`);
    // They hold the dead alone, so that who is delivered at once never touches them.
    await runner.query(`
      CREATE INDEX deliveries_dead ON deliveries (tenant, updated_at, id) WHERE status = 'dead';
      CREATE INDEX deliveries_dead_recipient ON deliveries (tenant, recipient_id, updated_at, id) WHERE status = 'dead';
      CREATE INDEX deliveries_dead_error ON deliveries (tenant, error_code, updated_at, id) WHERE status = 'dead'`);
    await runner.query(`
      CREATE TABLE endpoints (
        tenant text NOT NULL,
        channel text NOT NULL,
        endpoint_hash bytea NOT NULL,
        endpoint text NOT NULL,
        version integer NOT NULL,
        disabled_at timestamptz(3),
        delivery_id uuid NOT NULL,
        PRIMARY KEY (tenant, channel, endpoint_hash)
      );
      CREATE INDEX endpoints_disabled ON endpoints (tenant, disabled_at, endpoint_hash) WHERE disabled_at IS NOT NULL`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE endpoints;
      DROP INDEX deliveries_dead, deliveries_dead_recipient, deliveries_dead_error;
      ALTER TABLE deliveries DROP COLUMN key, DROP COLUMN recipient_id, DROP COLUMN attempts, DROP COLUMN error_code,
        DROP COLUMN error_message`);
  }
}
