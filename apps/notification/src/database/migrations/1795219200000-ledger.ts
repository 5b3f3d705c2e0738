import { OUTBOX_TABLES } from '@bongsu/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The ledger: what was accepted and what became of it. Partitioned by ranges of the id, which begins with time: the primary
 * key over the id alone dedupes exactly, and what has ended leaves with its partition, never row by row.
 */
export class Ledger1795219200000 implements MigrationInterface {
  name = 'Ledger1795219200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      CREATE TABLE notifications (
        id uuid PRIMARY KEY,
        tenant text NOT NULL,
        recipient_id text NOT NULL,
        key text NOT NULL,
        accepted_at timestamptz NOT NULL,
        request bytea NOT NULL
      ) PARTITION BY RANGE (id);
      CREATE TABLE notifications_default PARTITION OF notifications DEFAULT;

      CREATE SEQUENCE delivery_seq AS bigint CACHE 1;
      CREATE TABLE deliveries (
        id uuid PRIMARY KEY,
        notification_id uuid NOT NULL,
        shard smallint NOT NULL,
        priority smallint NOT NULL,
        ordered boolean NOT NULL,
        key text NOT NULL,
        channel text NOT NULL,
        status text NOT NULL,
        attempts integer NOT NULL DEFAULT 0,
        version integer NOT NULL DEFAULT 0,
        postponed boolean NOT NULL DEFAULT false,
        worker_id bigint,
        seq bigint NOT NULL DEFAULT nextval('delivery_seq'),
        send_at timestamptz,
        next_attempt_at timestamptz,
        ended_at timestamptz
      ) PARTITION BY RANGE (id) ;
      CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;

      -- Only what waits is in the index of the claim; rows that are being worked on or have ended are not.
      CREATE INDEX deliveries_due ON deliveries (shard, next_attempt_at)
        WHERE worker_id IS NULL AND next_attempt_at IS NOT NULL;
      -- Only what is being worked on right now.
      CREATE INDEX deliveries_leased ON deliveries (worker_id, shard) WHERE worker_id IS NOT NULL;
      -- Only what has not ended of senders that asked for strict order.
      CREATE INDEX deliveries_ordered ON deliveries (key, channel, seq) WHERE ordered AND ended_at IS NULL;
      CREATE INDEX deliveries_of_notification ON deliveries (notification_id);

      CREATE TABLE cancellations (
        notification_id uuid PRIMARY KEY,
        requested_at timestamptz NOT NULL
      ) PARTITION BY RANGE (notification_id);
      CREATE TABLE cancellations_default PARTITION OF cancellations DEFAULT;

      CREATE TABLE workers (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        host text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT now(),
        alive_until timestamptz NOT NULL
      ) WITH (fillfactor = 50);
      CREATE TABLE shards (
        shard smallint PRIMARY KEY,
        worker_id bigint
      ) WITH (fillfactor = 50);
      ${OUTBOX_TABLES};
      CREATE TABLE inbox (record_id text PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT now());
      CREATE INDEX inbox_seen_at ON inbox USING brin (seen_at);
    `);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
      DROP TABLE inbox, outbox, outbox_streams, outbox_relays, shards, workers, cancellations, deliveries, notifications;
      DROP SEQUENCE delivery_seq`);
  }
}
