import { RECIPIENT_ERASED } from '@bongsu/contracts';

/**
 * What leaves a record with its payload: the salt, without which the digest tells nothing, and what was read off the payload.
 * The tenant stays where the record's key says it too, so that it can still be checked.
 */
const ERASE = `
  UPDATE records r
     SET payload = NULL, salt = NULL, recipient = NULL,
         tenant = CASE WHEN substring(r.key FOR octet_length(convert_to(r.tenant || '/', 'UTF8'))) =
                            convert_to(r.tenant || '/', 'UTF8') THEN r.tenant END
    FROM found f
   WHERE r.topic = f.topic AND r.partition = f.partition AND r.sequence = f.sequence AND r.timestamp_ms = f.timestamp_ms
  RETURNING r.subject`;

/** That somebody was erased is itself a record, which names no more than the id. */
const MAY_GO = `r.kind = 'record' AND r.salt IS NOT NULL AND r.type IS DISTINCT FROM '${RECIPIENT_ERASED}'`;
const PLACE = 'r.topic, r.partition, r.sequence, r.timestamp_ms';
const PIECE = 1_000;

/** Erases a piece of what is about a recipient ($1 tenant, $2 id) and not younger than $3. */
export const ERASE_BY_RECIPIENT = `
  WITH found AS (
    SELECT ${PLACE} FROM records r
     WHERE r.tenant = $1 AND r.recipient = $2 AND r.timestamp_ms <= $3 AND ${MAY_GO}
     LIMIT ${PIECE}
  ) ${ERASE}`;

/** Erases what else there is about notifications ($2) of a tenant ($1), however young: facts, commands. */
export const ERASE_BY_SUBJECT = `
  WITH found AS (
    SELECT ${PLACE} FROM records r WHERE r.tenant = $1 AND r.subject = ANY ($2) AND ${MAY_GO}
  ) ${ERASE}`;

/**
 * What is about erased recipients and younger than their erasure, of notifications of which something was erased already: a
 * fact that came before the request that it is about. Of young erasures ($1, milliseconds since 1970) all at once, as there
 * may be many; nothing that is older than them is looked at.
 */
export const ERASE_LATER = `
  WITH found AS (
    SELECT ${PLACE} FROM erasures e
      JOIN records r ON r.tenant = e.tenant AND r.recipient = e.recipient AND r.timestamp_ms > e.requested_ms
     WHERE e.requested_ms > $1 AND r.timestamp_ms > $1 AND ${MAY_GO}
       AND EXISTS (SELECT 1 FROM records x WHERE x.subject = r.subject AND x.salt IS NULL AND x.kind = 'record')
     LIMIT ${PIECE}
  ) ${ERASE}`;

/** Erasures that are not done. */
export const OPEN_ERASURES = `
  SELECT e.id, e.tenant, e.recipient, e.requested_ms FROM erasures e
   WHERE NOT EXISTS (SELECT 1 FROM erasures_done d WHERE d.id = e.id)
   ORDER BY e.requested_ms LIMIT 100`;

export interface OpenErasure {
  readonly id: string;
  readonly tenant: string;
  readonly recipient: string;
  readonly requested_ms: string;
}

export const NOTE_DONE = 'INSERT INTO erasures_done (id, records) VALUES ($1, $2) ON CONFLICT DO NOTHING';
