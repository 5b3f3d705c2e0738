import type pg from 'pg';
import { LEASE_BACKLOG } from '../../../apps/notification/src/ledger/sql/backlog.ts';
import { CLAIM_DUE, COUNT_DUE } from '../../../apps/notification/src/ledger/sql/claim-due.ts';
import { SETTLE } from '../../../apps/notification/src/ledger/sql/settle.ts';
import { WAKE_ORDERED } from '../../../apps/notification/src/ledger/sql/wake-ordered.ts';

export const BATCH = 500;
const WEEK_MS = 7 * 86_400_000;
const SHARDS = '{0,1,2,3,4,5,6,7}';
const DUE = 10_000;
const SCHEDULED = 2_000;
const ORDERED_KEYS = 200;
const ORDERED = Array.from({ length: 20 }, (_, n) => `default/o-${n}`).join(',');

/** A statement of the service, and what it is called with: the text after EXECUTE's name. */
export interface LedgerStatement {
  readonly name: string;
  readonly text: string;
  /** Whether it writes to `deliveries`. */
  readonly changes: boolean;
  readonly values: (client: pg.Client) => Promise<string>;
}

const noValues = (): Promise<string> => Promise.resolve('');

export const STATEMENTS: readonly LedgerStatement[] = [
  { ...CLAIM_DUE, changes: true, values: async () => `(1, '${SHARDS}', ${BATCH})` },
  {
    ...LEASE_BACKLOG,
    changes: true,
    values: async () => `(1, '${SHARDS}', '{0,1,2,3,4,5,6,7}', '{63,63,63,63,62,62,62,62}')`,
  },
  { ...SETTLE, changes: true, values: settlementsOf },
  {
    ...WAKE_ORDERED,
    changes: true,
    values: async () => `('{${ORDERED}}', array_fill('email'::text, '{20}'), 1)`,
  },
  { name: 'count_due', text: COUNT_DUE, changes: false, values: noValues },
];

/** What the 500 leased deliveries end as. */
async function settlementsOf(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ ids: string[] }>(
    'SELECT array_agg(id ORDER BY id) AS ids FROM (SELECT id FROM deliveries WHERE worker_id = 1 LIMIT 500) d',
  );
  const ids = rows[0]!.ids;
  const all = (value: string): string => `array_fill(${value}, '{${ids.length}}')`;
  return `(1, '{${ids.join(',')}}', ${all(`'delivered'::text`)}, ${all('1')}, ${all('1')}, ${all('NULL::timestamptz')},
           ${all('now()')}, '${ids[0]}', '${ids.at(-1)}', ${all('false')}, 'notification/1',
           ${all(`'bongsu.notification.events.v1'`)}, ${all(`'default/user-1'`)}, ${all(`'{}'`)}, ${all(`'\\x7b7d'::bytea`)})`;
}

/** Ids of a week grow with their time, as a UUIDv7's do; `kind` tells the ids of one table from the other's. */
const idOf = (ms: string, kind: string, n: string): string =>
  `(lpad(to_hex(${ms}), 12, '0') || '7000${kind}' || lpad(to_hex(${n}), 15, '0'))::uuid`;
const NOTIFICATION = '8';
const DELIVERY = '9';
const REQUEST = `convert_to(rpad('{"channels":["email"],"priority":"normal"', 350, ' '), 'UTF8')`;

/**
 * Partitions of `weeks` weeks, the last one this week's, and deliveries that ended, as many in each: 10 million take about two
 * minutes and 9 GB.
 * @param to two connections, for the two tables side by side (they may be one and the same)
 */
export async function fillEnded(to: readonly [pg.Client, pg.Client], weeks: number, ended: number): Promise<void> {
  const [one, other] = to;
  for (const client of to) {
    await client.query('SET synchronous_commit = off');
    await client.query('SET maintenance_work_mem = 262144');
  }
  const thisWeek = Math.floor(Date.now() / WEEK_MS) * WEEK_MS;
  const rows = Math.floor(ended / weeks);
  for (let week = 0; week < weeks; week++) {
    const from = thisWeek - (weeks - 1 - week) * WEEK_MS;
    // Those of this week lie before now.
    const span = Math.min(WEEK_MS, Date.now() - from);
    const ms = `(${from} + g.n::bigint * ${span} / ${rows + 1})`;
    const series = `FROM generate_series(1, ${rows}) AS g (n)`;
    await fillPartition(one, 'cancellations', from, () => 'SELECT');
    await Promise.all([
      fillPartition(
        one,
        'notifications',
        from,
        (into) => `INSERT INTO ${into} (id, tenant, recipient_id, key, accepted_at, request)
          SELECT ${idOf(ms, NOTIFICATION, 'g.n')}, 'default', 'user-' || g.n % 10000, 'default/user-' || g.n % 10000,
                 to_timestamp(${ms} / 1000.0), ${REQUEST} ${series}`,
      ),
      fillPartition(
        other,
        'deliveries',
        from,
        (into) => `INSERT INTO ${into}
            (id, notification_id, shard, priority, ordered, key, channel, status, attempts, version, ended_at)
          SELECT ${idOf(ms, DELIVERY, 'g.n')}, ${idOf(ms, NOTIFICATION, 'g.n')}, g.n % 8, g.n % 3, false,
                 'default/user-' || g.n % 10000, 'email', 'delivered', 1, 1, to_timestamp(${ms} / 1000.0) ${series}`,
      ),
    ]);
  }
}

/**
 * Fills a partition before it becomes one, when the service has not made it: attaching it builds its indexes by sorting,
 * which takes half the time of entering row by row.
 */
async function fillPartition(
  client: pg.Client,
  table: string,
  from: number,
  insert: (into: string) => string,
): Promise<void> {
  const bound = (ms: number): string => {
    const time = ms.toString(16).padStart(12, '0');
    return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
  };
  const name = `${table}_${new Date(from).toISOString().slice(0, 13).replaceAll(/[-T]/g, '')}`;
  const { rows } = await client.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [name]);
  if (rows[0]!.there) {
    await client.query(insert(name));
    return;
  }
  await client.query(`CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS)`);
  await client.query(insert(name));
  await client.query(
    `ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM ('${bound(from)}') TO ('${bound(from + WEEK_MS)}')`,
  );
}

/**
 * What has not ended: retries that are due, of the last day; a few that are scheduled for later in every week; what waits
 * because memory is full; what is leased to this worker (1) and to a living former owner (2); keys in strict order.
 */
export async function addWork(client: pg.Client, weeks: number): Promise<void> {
  await client.query(
    `INSERT INTO workers (host, alive_until) SELECT 'bench', now() + interval '1 day' FROM generate_series(1, 2)`,
  );
  await client.query(`INSERT INTO outbox_streams (stream) VALUES ('notification/1')`);
  await client.query('INSERT INTO shards (shard, worker_id) SELECT s, 1 FROM generate_series(0, 7) s');
  const now = Date.now();
  const day = 86_400_000;
  const hours = (n: number): string => `(${now - n * 3_600_000} + g.n)`;
  await add(client, 'due', DUE, `(${now - day} + g.n * ${Math.floor(day / DUE)})`, {
    status: `'retrying'`,
    next_attempt_at: `now() - g.n * interval '1 second'`,
  });
  await add(client, 'later', SCHEDULED, `(${now} - (g.n % ${weeks}) * ${WEEK_MS}::bigint - g.n * 1000)`, {
    status: `'deferred'`,
    next_attempt_at: `now() + g.n * interval '1 hour'`,
  });
  await add(client, 'backlog', DUE, hours(2), { status: `'pending'`, flow: 'g.n % 8' });
  await add(client, 'leased', BATCH, hours(1), { status: `'pending'`, worker_id: '1', next_attempt_at: 'now()' });
  await add(client, 'other', 20, hours(1), { status: `'pending'`, worker_id: '2', next_attempt_at: 'now()' });
  await add(client, 'ordered', ORDERED_KEYS * 10, hours(3), {
    status: `'pending'`,
    ordered: 'true',
    key: `'default/o-' || g.n % ${ORDERED_KEYS}`,
    next_attempt_at: `'infinity'::timestamptz`,
  });
}

/** Ids that differ from those of what ended. */
const idOfWork = (ms: string, salt: string): string => `(
  lpad(to_hex(${ms}), 12, '0') || '7' || substr(md5(${salt}), 1, 3) || '8' || substr(md5(${salt}), 4, 15))::uuid`;

type Column = 'status' | 'next_attempt_at' | 'flow' | 'worker_id' | 'ordered' | 'key';

async function add(
  client: pg.Client,
  salt: string,
  count: number,
  ms: string,
  given: Partial<Record<Column, string>>,
): Promise<void> {
  const { status, next_attempt_at, flow, worker_id, ordered, key } = {
    next_attempt_at: 'NULL',
    flow: 'NULL',
    worker_id: 'NULL',
    ordered: 'false',
    key: `'default/${salt}-' || g.n`,
    ...given,
  };
  const series = `generate_series(1, ${count}) AS g (n)`;
  await client.query(`
    INSERT INTO notifications (id, tenant, recipient_id, key, accepted_at, request)
    SELECT ${idOfWork(ms, `'${salt}n' || g.n`)}, 'default', 'r', ${key}, now(), ${REQUEST} FROM ${series}`);
  await client.query(`
    INSERT INTO deliveries (id, notification_id, shard, priority, ordered, key, channel, status, next_attempt_at, flow, worker_id)
    SELECT ${idOfWork(ms, `'${salt}d' || g.n`)}, ${idOfWork(ms, `'${salt}n' || g.n`)}, g.n % 8, 1, ${ordered}, ${key}, 'email',
           ${status}, ${next_attempt_at}, ${flow}, ${worker_id}
      FROM ${series}`);
}
