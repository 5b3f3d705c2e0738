import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The trace that a notification belongs to, as its record said: an attempt made hours later, by another process, is still
 * part of it. NULL for what nobody traces, which takes no room in a row.
 */
export class Traces1795310400000 implements MigrationInterface {
  name = 'Traces1795310400000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE notifications ADD COLUMN trace text');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE notifications DROP COLUMN trace');
  }
}
