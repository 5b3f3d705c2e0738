import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What has not ended, so that whether an old week may be dropped is answered without reading it. Nearly empty in old weeks. */
export class OpenNotifications1795309200000 implements MigrationInterface {
  name = 'OpenNotifications1795309200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX notifications_open ON notifications (id) WHERE status IN ('accepted', 'scheduled', 'in_progress')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX notifications_open');
  }
}
