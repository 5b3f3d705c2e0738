/** Appends records to the audit store: by the audit service's own appender, or the same rows without a chain between them. */
import { randomBytes } from 'node:crypto';
import { SaltKeys, encodeHeaders, type StoredRecord } from '@bongsu/audit-chain';
import { TOPICS, type RawRecord } from '@bongsu/contracts';
import { createLogger } from '@bongsu/observability';
import { Appender } from '../../../../apps/audit/src/chain/appender.js';
import { INSERT_RECORDS, insertRecordsValues } from '../../../../apps/audit/src/chain/sql/insert-records.js';
import { Database } from '../../../../apps/audit/src/database/database.js';

const BATCH = 500;
const PARTITIONS = 8;
/** As the service's consumer does it. */
const SIDE_BY_SIDE = 4;
const BYTES = Number(process.env['BODY_BYTES'] ?? 350);
const TOPIC = TOPICS.requests.normal.name;
const logger = createLogger('bench-audit', 'error');
const database = await Database.open(process.env['DATABASE_URL'] ?? '', 10, logger);
const appender = new Appender(database, new SaltKeys([{ key: randomBytes(32) }]), logger);
const offsets = Array.from({ length: PARTITIONS }, () => 0n);

function batch(partition: number): RawRecord[] {
  return Array.from({ length: BATCH }, () => {
    const offset = offsets[partition]!++;
    const value = Buffer.alloc(BYTES, 'x');
    value.write(`{"tenant":"default","recipientId":"user-${offset % 10_000n}","text":"`);
    value.write('"}', BYTES - 2);
    return {
      topic: TOPIC,
      partition,
      offset,
      timestamp: BigInt(Date.now()),
      key: Buffer.from(`default/user-${offset % 10_000n}`),
      value,
      headers: [
        ['content-type', Buffer.from('application/json')],
        ['ce_id', Buffer.from(`${partition}-${offset}`)],
      ],
    };
  });
}

/** The row that the record would be, with nothing of it hashed. */
const NOTHING = Buffer.alloc(32);
const unchained = ({ topic, partition, offset, timestamp, key, headers, value }: RawRecord): StoredRecord => ({
  kind: 'record',
  topic,
  partition,
  sequence: offset + 1n,
  epoch: 0,
  offset,
  timestampMs: timestamp,
  key,
  headers: encodeHeaders(headers),
  payload: value,
  payloadDigest: NOTHING,
  hash: NOTHING,
  salt: NOTHING,
  eventId: `${partition}-${offset}`,
  type: null,
  subject: null,
  tenant: 'default',
  recipient: `user-${offset % 10_000n}`,
});

const append = async (partition: number, records: readonly RawRecord[]): Promise<void> => {
  if (process.env['MODE'] === 'chained') await appender.append(TOPIC, partition, records);
  else await database.query(INSERT_RECORDS, insertRecordsValues(records.map(unchained)));
};

async function run(count: number): Promise<void> {
  const rounds = Math.ceil(count / BATCH / PARTITIONS);
  const left = Array.from({ length: PARTITIONS }, (_, partition) => partition);
  const worker = async (): Promise<void> => {
    for (let partition = left.shift(); partition !== undefined; partition = left.shift())
      for (let i = 0; i < rounds; i++) await append(partition, batch(partition));
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  process.send!({ appended: rounds * BATCH * PARTITIONS });
}

process.on('message', ({ count }: { count: number }) => void run(count));
process.send!({ ready: true });
