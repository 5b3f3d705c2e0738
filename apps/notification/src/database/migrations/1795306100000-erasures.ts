import { ERASURES_TABLE } from '@bongsu/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is to be erased, and what was. A recipient's notifications are found by an index of their own. */
export class Erasures1795306100000 implements MigrationInterface {
  name = 'Erasures1795306100000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ${ERASURES_TABLE};
      ALTER TABLE notifications ADD COLUMN erased_at timestamptz;
      CREATE INDEX notifications_recipient ON notifications (tenant, recipient_id);
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP INDEX notifications_recipient;
      ALTER TABLE notifications DROP COLUMN erased_at;
      DROP TABLE erasures;
    `);
  }
}
