import type { Statement } from '@bongsu/persistence';

/** What is recorded at some offsets of a partition, in any epoch; only asked when Kafka delivers records again. */
export const FIND_RECORDED: Statement = {
  name: 'audit_find_recorded',
  text: `
    SELECT "offset", timestamp_ms, key, headers, salt, payload_digest FROM records
    WHERE kind = 'record' AND topic = $1 AND partition = $2 AND "offset" = ANY ($3::bigint[])`,
};

export interface RecordedRow {
  readonly offset: string;
  readonly timestamp_ms: string;
  readonly key: Buffer | null;
  readonly headers: Buffer;
  readonly salt: Buffer | null;
  readonly payload_digest: Buffer;
}
