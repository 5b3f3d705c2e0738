import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What waits in the ledger because its flow holds as much memory as it may. `flow` is set as long as it waits there, and
 * only then: the index has what waits and nothing else, in the order in which each flow goes on.
 */
export class Flows1795305600000 implements MigrationInterface {
  name = 'Flows1795305600000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      ALTER TABLE deliveries ADD COLUMN flow bigint;
      CREATE INDEX deliveries_backlog ON deliveries (shard, flow, seq) INCLUDE (priority) WHERE flow IS NOT NULL;
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP INDEX deliveries_backlog; ALTER TABLE deliveries DROP COLUMN flow;');
  }
}
