import { OUTBOX_TABLES } from '@bongsu/persistence';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The read model of notifications, the reservations of Idempotency-Keys, and the API keys with their outbox. */
export class ReadModel1795219300000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(NOTIFICATIONS);
    await runner.query(RESERVATIONS);
    await runner.query(API_KEYS);
    await runner.query(OUTBOX_TABLES);
    await runner.query(`INSERT INTO outbox_streams (stream) VALUES ('access')`);
    await runner.query(`INSERT INTO outbox_relays (stream) VALUES ('access')`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP TABLE notifications, deliveries, attempts, timeline, projection_offsets, idempotency_reservations, api_keys,
                 outbox, outbox_streams, outbox_relays`);
  }
}

/**
 * Everything about a notification begins with its id, which begins with its time: partitions are ranges of it. A row whose
 * request has not been read yet (`requested` is false) is a placeholder that a fact left, to serialise with the request.
 */
const NOTIFICATIONS = `
  CREATE TABLE notifications (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    status text NOT NULL,
    requested boolean NOT NULL,
    placeheld boolean NOT NULL,
    accepted_at timestamptz(3) NOT NULL,
    key text,
    recipient json,
    recipient_id text,
    priority text,
    channels text[],
    category text,
    ordering_key text,
    subject text,
    metadata json,
    send_at timestamptz(3),
    expires_at timestamptz(3),
    cancel_requested_at timestamptz(3)
  ) PARTITION BY RANGE (id);
  CREATE TABLE notifications_default PARTITION OF notifications DEFAULT;
  CREATE INDEX notifications_newest ON notifications (tenant, accepted_at DESC, id DESC) WHERE requested;
  CREATE INDEX notifications_recipient ON notifications (tenant, recipient_id, accepted_at DESC, id DESC) WHERE requested;

  CREATE TABLE deliveries (
    notification_id uuid NOT NULL,
    channel text NOT NULL,
    id uuid NOT NULL,
    tenant text NOT NULL,
    status text NOT NULL,
    version bigint NOT NULL,
    provider text,
    next_attempt_at timestamptz(3),
    reason text,
    updated_at timestamptz(3) NOT NULL,
    PRIMARY KEY (notification_id, channel)
  ) PARTITION BY RANGE (notification_id);
  CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;

  CREATE TABLE attempts (
    notification_id uuid NOT NULL,
    channel text NOT NULL,
    number bigint NOT NULL,
    tenant text NOT NULL,
    provider text NOT NULL,
    started_at timestamptz(3) NOT NULL,
    duration_ms double precision NOT NULL,
    outcome text NOT NULL,
    error json,
    failover json,
    PRIMARY KEY (notification_id, channel, number)
  ) PARTITION BY RANGE (notification_id);
  CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

  CREATE TABLE timeline (
    notification_id uuid NOT NULL,
    event_id text NOT NULL,
    tenant text NOT NULL,
    at timestamptz(3) NOT NULL,
    position bigint NOT NULL,
    entry json NOT NULL,
    PRIMARY KEY (notification_id, event_id)
  ) PARTITION BY RANGE (notification_id);
  CREATE TABLE timeline_default PARTITION OF timeline DEFAULT;

  CREATE TABLE projection_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    next_offset bigint NOT NULL,
    PRIMARY KEY (topic, partition)
  ) WITH (fillfactor = 50)`;

/** Keys and bodies are kept as hashes only: they are the callers' own. */
const RESERVATIONS = `
  CREATE TABLE idempotency_reservations (
    tenant text NOT NULL,
    key_hash bytea NOT NULL,
    notification_id uuid NOT NULL,
    body_hash bytea NOT NULL,
    attempt uuid NOT NULL,
    accepted_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3) NOT NULL,
    PRIMARY KEY (tenant, key_hash)
  );
  CREATE INDEX idempotency_reservations_expiry ON idempotency_reservations (expires_at)`;

const API_KEYS = `
  CREATE TABLE api_keys (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    name text NOT NULL,
    hash text NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_at timestamptz(3) NOT NULL,
    expires_at timestamptz(3),
    revoked_at timestamptz(3),
    updated_at timestamptz NOT NULL
  );
  CREATE INDEX api_keys_updated ON api_keys (updated_at);
  CREATE INDEX api_keys_tenant ON api_keys (tenant, id)`;
