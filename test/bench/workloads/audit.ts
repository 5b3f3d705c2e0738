import pg from 'pg';
import { createServiceDatabase, serviceUrl, superuserOf } from '../../../tools/stack/postgres-database.ts';
import { GateError, type Arm, type Sample, type Workload } from '../arm.ts';
import { measured, type Bench } from '../bench.ts';
import { startProgram } from '../programs.ts';

const RECORDS = 60_000;

/** What the hash chain costs. */
export async function audit(bench: Bench): Promise<Workload> {
  return {
    name: 'audit',
    title: 'Audit: records appended to the store',
    unit: 'records',
    how:
      '350 bytes each, 500 at a time, 4 of 8 partitions side by side. Chained: the service’s appender with salts, digests, ' +
      'hashes and the lock of its chain. Without: the same rows by the same statement.',
    arms: [await arm(bench, 'chained', 'Hash-chained'), await arm(bench, 'plain', 'The same rows without chain')],
  };
}

async function arm(bench: Bench, name: string, title: string): Promise<Arm> {
  const superuser = superuserOf(bench.stack.postgresUrl);
  const databaseName = `bongsu_audit_${name}`;
  await createServiceDatabase(superuser, databaseName);
  const program = await startProgram('audit', {
    DATABASE_URL: serviceUrl('audit', bench.stack.ports.postgres, databaseName),
    MODE: name,
  });
  const database = new pg.Pool({ ...superuser, database: databaseName, max: 1 });
  database.on('error', () => undefined);
  let before = 0;
  const round = async (share: number): Promise<Sample> => {
    const { result, seconds, cpu } = await measured(bench, { program: program.pid }, () =>
      program.ask<number>({ count: RECORDS * share * bench.size }, 'appended'),
    );
    const { rows } = await database.query<{ count: number; chains: number }>(
      `SELECT sum(n)::int AS count, sum((n = last)::int)::int AS chains
         FROM (SELECT count(*) AS n, max(sequence) AS last FROM audit.records GROUP BY topic, partition) c`,
    );
    const { count, chains } = rows[0]!;
    if (count - before !== result || chains !== 8)
      throw new GateError(`${count - before} of ${result} records are in the store, ${chains} chains without a gap`);
    before = count;
    return { count: result, seconds, cpu };
  };
  const end = async (): Promise<void> => {
    await program.end();
    await database.end();
  };
  return { name, title, round, end };
}
