import type { StoredRecord } from '@bongsu/audit-chain';
import type { Statement } from '@bongsu/persistence';

/** Each column as one array. */
export const INSERT_RECORDS: Statement = {
  name: 'audit_insert_records',
  text: `
    INSERT INTO records (topic, partition, sequence, "offset", epoch, timestamp_ms, key, headers, payload, salt,
                         payload_digest, hash, event_id, type, subject, tenant, recipient, kind)
    SELECT * FROM unnest(
      $1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::integer[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[],
      $10::bytea[], $11::bytea[], $12::bytea[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[]
    )`,
};

export function insertRecordsValues(records: readonly StoredRecord[]): unknown[] {
  const column = <T>(read: (record: StoredRecord) => T): T[] => records.map(read);
  return [
    column(({ topic }) => topic),
    column(({ partition }) => partition),
    column(({ sequence }) => sequence),
    column(({ offset }) => offset),
    column(({ epoch }) => epoch),
    column(({ timestampMs }) => timestampMs),
    column(({ key }) => key),
    column(({ headers }) => headers),
    column(({ payload }) => payload),
    column(({ salt }) => salt),
    column(({ payloadDigest }) => payloadDigest),
    column(({ hash }) => hash),
    column(({ eventId }) => eventId),
    column(({ type }) => type),
    column(({ subject }) => subject),
    column(({ tenant }) => tenant),
    column(({ recipient }) => recipient),
    column(({ kind }) => kind),
  ];
}
