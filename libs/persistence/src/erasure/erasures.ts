import type { RecipientErased } from '@bongsu/contracts';
import { registry } from '@bongsu/observability';
import { Counter } from 'prom-client';
import type { Tx } from '../transaction.js';

/** How long records about a recipient may still arrive that are older than the erasure: Kafka's retention and a day. Milliseconds. */
const LATE_MS = 8 * 86_400_000;

export const erasedNotifications = new Counter({
  name: 'erased_notifications_total',
  help: "Notifications whose recipient's data was erased",
  registers: [registry],
});

/**
 * A service's list of what it was told to erase, for its migration. It is kept for ever: what Kafka delivers again, or late, is
 * erased again. `swept_at` is when everything that was there had been erased.
 */
export const ERASURES_TABLE = `
  CREATE TABLE erasures (
    id uuid PRIMARY KEY,
    tenant text NOT NULL,
    recipient_id text NOT NULL,
    requested_at timestamptz(3) NOT NULL,
    swept_at timestamptz
  );
  CREATE INDEX erasures_recipient ON erasures (tenant, recipient_id)`;

/** As SQL, about an alias `e` of the table: what is to be looked for, since not all has been erased, or more may come. */
export const IS_OPEN = `(e.swept_at IS NULL OR e.requested_at > now() - interval '${LATE_MS} milliseconds')`;

export const Erasures = {
  /** Puts them on the list, in the caller's transaction; one that is on it already changes nothing. */
  async remember(tx: Tx, erasures: readonly RecipientErased[]): Promise<void> {
    await tx.query(REMEMBER, [
      erasures.map(({ erasureId }) => erasureId),
      erasures.map(({ tenant }) => tenant),
      erasures.map(({ recipientId }) => recipientId),
      erasures.map(({ erasedAt }) => new Date(erasedAt)),
    ]);
  },

  /** Notes that nothing was left of those that were on the list at `before`. */
  async swept(tx: Tx, before: Date): Promise<void> {
    await tx.query('UPDATE erasures SET swept_at = $1 WHERE swept_at IS NULL AND requested_at <= $1', [before]);
  },
};

const REMEMBER = `
  INSERT INTO erasures (id, tenant, recipient_id, requested_at)
  SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[])
  ON CONFLICT DO NOTHING`;
