import { decodeHeaders, type StoredRecord } from '@bongsu/audit-chain';
import { decodeEvent, RECIPIENT_ERASED, TOPICS, type RecipientErased } from '@bongsu/contracts';
import type { Logger } from '@bongsu/observability';
import type { Tx } from '@bongsu/persistence';
import { FIND_ERASED, FIND_ERASED_SUBJECTS, REMEMBER_ERASURES, type ErasedRow } from './sql/find-erased.js';

/**
 * The records as they are to be inserted: without the payloads of those that are about somebody who was erased before they
 * came (Kafka delivered late, or the store is rebuilt). Their digests and hashes are those of the whole record.
 */
export async function withoutErased(tx: Tx, records: readonly StoredRecord[]): Promise<readonly StoredRecord[]> {
  const personal = records.filter(isPersonal);
  if (personal.length === 0) return records;
  const people = [...new Map(personal.map((record) => [personOf(record), record])).values()];
  const found = await tx.query<ErasedRow>(FIND_ERASED, [
    people.map(({ tenant }) => tenant),
    people.map(({ recipient }) => recipient),
  ]);
  if (found.length === 0) return records;
  const until = new Map(found.map((row) => [personOf(row), BigInt(row.until_ms)]));
  const isOld = (record: StoredRecord): boolean => record.timestampMs <= (until.get(personOf(record)) ?? -1n);
  const ofErased = personal.filter((record) => until.has(personOf(record)));
  const young = ofErased.filter((record) => !isOld(record)).flatMap(({ subject }) => subject ?? []);
  const subjects = new Set(ofErased.filter(isOld).flatMap(({ subject }) => subject ?? []));
  for (const { subject } of young.length > 0
    ? await tx.query<{ subject: string }>(FIND_ERASED_SUBJECTS, [young])
    : []) {
    subjects.add(subject);
  }
  const goes = new Set(ofErased.filter((record) => isOld(record) || subjects.has(record.subject ?? '')));
  return records.map((record) => (goes.has(record) ? erased(record) : record));
}

/** Puts on the list what records of the directory say is to be erased; gives how many those are. */
export async function rememberErasures(tx: Tx, records: readonly StoredRecord[], logger: Logger): Promise<number> {
  const erasures = records.flatMap((record) => erasureIn(record, logger) ?? []);
  if (erasures.length === 0) return 0;
  await tx.query(REMEMBER_ERASURES, [
    erasures.map(({ erasureId }) => erasureId),
    erasures.map(({ tenant }) => tenant),
    erasures.map(({ recipientId }) => recipientId),
    erasures.map(({ erasedAt }) => Date.parse(erasedAt)),
  ]);
  return erasures.length;
}

type Person = Pick<StoredRecord, 'tenant' | 'recipient'>;
const personOf = ({ tenant, recipient }: Person): string => JSON.stringify([tenant, recipient]);

const isPersonal = ({ kind, tenant, recipient, type }: StoredRecord): boolean =>
  kind === 'record' && tenant !== null && recipient !== null && type !== RECIPIENT_ERASED;

function erased(record: StoredRecord): StoredRecord {
  const tenant = record.key?.toString('utf8').startsWith(`${record.tenant}/`) ? record.tenant : null;
  return { ...record, tenant, payload: null, salt: null, recipient: null };
}

/** A record that is no erasure after all asks for nothing; it is in the chain like any other. */
function erasureIn(record: StoredRecord, logger: Logger): RecipientErased | undefined {
  if (record.topic !== TOPICS.recipients.name || record.type !== RECIPIENT_ERASED) return undefined;
  const { topic, partition, offset, key, payload, sequence } = record;
  try {
    const headers = decodeHeaders(record.headers).map(([name, value]) => [name, value ?? Buffer.alloc(0)] as const);
    const raw = { topic, partition, offset, timestamp: record.timestampMs, key, value: payload, headers };
    const data = decodeEvent(TOPICS.recipients, raw).event.data as RecipientErased;
    return Number.isNaN(Date.parse(data.erasedAt)) ? undefined : data;
  } catch (error) {
    logger.warn({ err: error, topic, partition, sequence: String(sequence) }, 'A record of an erasure cannot be read');
    return undefined;
  }
}
