import type { Statement } from '@bongsu/persistence';

/** Of these recipients ($1 tenants, $2 ids), those that were erased, and until when (milliseconds since 1970) it counts. */
export const FIND_ERASED: Statement = {
  name: 'audit_find_erased',
  text: `
    SELECT tenant, recipient, max(requested_ms) AS until_ms
      FROM erasures JOIN unnest($1::text[], $2::text[]) AS among (tenant, recipient) USING (tenant, recipient)
     GROUP BY tenant, recipient`,
};

export interface ErasedRow {
  readonly tenant: string;
  readonly recipient: string;
  readonly until_ms: string;
}

/** Of these subjects ($1), those that an erased record is about: what comes later about them is about the same person. */
export const FIND_ERASED_SUBJECTS: Statement = {
  name: 'audit_find_erased_subjects',
  text: "SELECT DISTINCT subject FROM records WHERE subject = ANY ($1) AND salt IS NULL AND kind = 'record'",
};

/** Puts erasures on the list. It is read off the chain, so Kafka's redelivery and a rebuild bring the same ones. */
export const REMEMBER_ERASURES: Statement = {
  name: 'audit_remember_erasures',
  text: `
    INSERT INTO erasures (id, tenant, recipient, requested_ms)
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT DO NOTHING`,
};
