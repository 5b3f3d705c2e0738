/**
 * Plans and times of the statements that look for work in the ledger, on a ledger of millions of ended deliveries and, beside
 * it, on an empty one: `node test/bench/claim.ts`. Prints Markdown; docs/adr/0015 has what it came to.
 * BENCH_ENDED (5000000) and BENCH_WEEKS (30) change the size.
 */
import { mkdtemp, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { buildApps, mainOf } from '../../tools/build/build-apps.ts';
import { freePorts } from '../../tools/stack/ports.ts';
import { preparePostgres } from '../../tools/stack/postgres.ts';
import { postgresIsReady, throughSocket } from '../../tools/stack/postgres-database.ts';
import { endProcess, readPidFile, startProcess } from '../../tools/stack/process.ts';
import { until } from '../../tools/stack/until.ts';
import { addWork, BATCH, fillEnded, STATEMENTS, type LedgerStatement } from './claim/ledger-fill.ts';

const ENDED = Number(process.env['BENCH_ENDED'] ?? 5_000_000);
const WEEKS = Number(process.env['BENCH_WEEKS'] ?? 30);
const RUNS = 15;

async function main(): Promise<void> {
  await buildApps();
  const home = await mkdtemp(join(tmpdir(), 'bongsu-bench-'));
  await chmod(home, 0o755);
  const [port] = (await freePorts(1)) as [number];
  const { spec } = await preparePostgres({ home, port, pidFile: join(home, 'postgres.pid') });
  // A run that is cut short (its output's reader has gone, say) does not come to its end.
  process.once('exit', () => {
    const running = readPidFile(spec.pidFile);
    if (running) process.kill(running.pid, 'SIGQUIT');
  });
  try {
    await startProcess(spec, { file: join(home, 'postgres.log') });
    const ready = await until(() => throughSocket(spec.cwd, port, postgresIsReady), {
      timeoutMs: 60_000,
      everyMs: 100,
    });
    if (!ready) throw new Error('PostgreSQL did not start');
    const socket = { host: spec.cwd, port, user: 'postgres' };
    for (const ended of [0, ENDED]) await measure(socket, ended);
  } finally {
    await endProcess(spec.pidFile, { stopSignal: 'SIGQUIT', killSignal: 'SIGKILL', graceMs: 3_000 });
    await rm(home, { recursive: true, force: true });
  }
}

async function measure(socket: pg.ClientConfig, ended: number): Promise<void> {
  const database = `ledger_${ended}`;
  await withClient({ ...socket, database: 'postgres' }, (admin) => admin.query(`CREATE DATABASE ${database}`));
  await migrate(socket, database);
  await withClient({ ...socket, database, options: '-c search_path=notification -c jit=off' }, async (client) => {
    await fillEnded([client, client], WEEKS, ended);
    await addWork(client, ended === 0 ? 1 : WEEKS);
    await client.query('VACUUM ANALYZE');
    console.log(`\n## ${ended.toLocaleString('en')} ended deliveries in ${WEEKS} weeks\n`);
    await printSizes(client);
    for (const statement of STATEMENTS) await explain(client, statement);
  });
}

async function withClient(config: pg.ClientConfig, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client(config);
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** The service's own migrations, from its build. */
async function migrate(socket: pg.ClientConfig, database: string): Promise<void> {
  const built = join(mainOf('notification'), '..');
  const { notificationDataSource } = (await import(join(built, 'database', 'data-source.js'))) as {
    notificationDataSource: (
      url: string,
      poolSize: number,
    ) => {
      initialize(): Promise<{ query(sql: string): Promise<unknown>; runMigrations(): Promise<unknown> }>;
      destroy(): Promise<void>;
    };
  };
  const url = `postgres://postgres@/${database}?host=${encodeURIComponent(socket.host ?? '')}&port=${socket.port}`;
  const dataSource = notificationDataSource(url, 2);
  const connected = await dataSource.initialize();
  await connected.query('CREATE SCHEMA notification');
  await connected.runMigrations();
  await dataSource.destroy();
}

async function printSizes(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ name: string; rows: string; bytes: string }>(`
    SELECT regexp_replace(p.relname, '_[0-9]{10}$', '_<week>') || ' ' || coalesce(regexp_replace(x.relname, '^.*[0-9]{10}_?', ''), '') AS name,
           sum(coalesce(x.reltuples, p.reltuples))::bigint AS rows,
           sum(pg_relation_size(coalesce(x.oid, p.oid)))::bigint AS bytes
      FROM pg_class p
      JOIN pg_inherits i ON i.inhrelid = p.oid AND i.inhparent = 'deliveries'::regclass
      LEFT JOIN LATERAL (
        SELECT NULL::oid AS oid, NULL::name AS relname, NULL::real AS reltuples
        UNION ALL
        SELECT c.oid, c.relname, c.reltuples FROM pg_index n JOIN pg_class c ON c.oid = n.indexrelid WHERE n.indrelid = p.oid) x ON true
     WHERE p.relname <> 'deliveries_default'
     GROUP BY 1 ORDER BY 3 DESC`);
  for (const row of rows)
    console.log(`- ${row.name}: ${row.rows} entries, ${(Number(row.bytes) / 1024).toFixed(0)} KiB`);
}

/** As the service runs it: prepared, and often enough for PostgreSQL to have settled on a plan. Nothing is kept. */
async function explain(client: pg.Client, { name, text, values, changes }: LedgerStatement): Promise<void> {
  await client.query(`PREPARE ${name} AS ${text}`);
  const times: number[] = [];
  let plan: string[] = [];
  for (let run = 0; run < RUNS; run++) {
    await client.query('BEGIN');
    const given = await values(client);
    const began = performance.now();
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(
      run === RUNS - 1 ? `EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) EXECUTE ${name}${given}` : `EXECUTE ${name}${given}`,
    );
    if (run === RUNS - 1) plan = rows.map((row) => row['QUERY PLAN']);
    else times.push(performance.now() - began);
    await client.query('ROLLBACK');
    // What was rolled back must not make the next run slower than the service would ever be.
    if (changes) await client.query('VACUUM deliveries');
  }
  times.sort((a, b) => a - b);
  console.log(
    `\n### ${name} (batches of ${BATCH}): median ${times[times.length >> 1]!.toFixed(1)} ms, worst ${times.at(-1)!.toFixed(1)} ms\n`,
  );
  console.log(`\`\`\`\n${plan.join('\n')}\n\`\`\``);
}

await main();
