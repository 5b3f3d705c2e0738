import { ERASURES_TABLE } from '@bongsu/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is to be erased from the read model, and of what that was done. */
export class Erasures1795306100000 implements MigrationInterface {
  name = 'Erasures1795306100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ${ERASURES_TABLE};
      ALTER TABLE notifications ADD COLUMN erased_at timestamptz(3)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE erasures; ALTER TABLE notifications DROP COLUMN erased_at');
  }
}
