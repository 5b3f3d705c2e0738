import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { specOf } from '../../../tools/stack/disposable.ts';
import type { Fault } from '../fault.ts';
import { CONCURRENCY } from '../system.ts';

/** Enough for what the load leaves there, twice over. */
const DISK_BYTES = 1024 ** 3;
/** Where the database of fault 14 lies; made by its `prepare`. */
let small: string | undefined;

/**
 * Writes until there is no room left. A piece at a time: a receiver that stands still for seconds is called again by callers
 * who have given up, and that would count as repeated.
 */
async function fill(path: string): Promise<void> {
  const file = await open(path, 'w');
  const piece = Buffer.alloc(4 * 1024 ** 2);
  try {
    for (;;) await file.write(piece);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await file.close();
  }
}

/** What happens to PostgreSQL and on the way to it. */
export const POSTGRES_FAULTS: readonly Fault[] = [
  {
    number: 12,
    title: '`kill -9` of PostgreSQL',
    async act({ system, load, part, random, say, mayRepeat }) {
      for (let round = 0; round < 3; round++) {
        say('kill -9 of PostgreSQL');
        await system.stopPart('postgres', 'SIGKILL');
        await sleep(random(1_000, 6_000));
        await system.startPart('postgres');
        await load.more(part(0.05));
      }
      // Whoever cannot renew its lease in time ends; its calls that were not recorded are made again.
      mayRepeat(3 * CONCURRENCY);
    },
  },
  {
    number: 13,
    title: 'PostgreSQL stalled for 30 s',
    proxy: 'postgres',
    async act({ postgres, say, mayRepeat }) {
      say('PostgreSQL answers nothing any more');
      postgres.set('stalled');
      await sleep(30_000);
      postgres.set('up');
      say('and does again');
      mayRepeat(CONCURRENCY);
    },
  },
  {
    number: 14,
    title: 'the disk of PostgreSQL is full',
    async prepare(stack, database) {
      small = mkdtempSync(join(tmpdir(), 'bongsu-small-disk-'));
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', small]);
      const { uid, gid } = statSync(specOf(stack, 'postgres').cwd);
      chownSync(small, uid, gid);
      chmodSync(small, 0o700);
      const client = new pg.Client({ connectionString: stack.postgresUrl });
      await client.connect();
      await client.query(`CREATE TABLESPACE small LOCATION '${small}'`);
      await client.query(`CREATE DATABASE ${database} TABLESPACE small`);
      await client.end();
      const folder = small;
      return async () => {
        const again = new pg.Client({ connectionString: stack.postgresUrl });
        await again.connect();
        await again.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
        await again.query('DROP TABLESPACE small');
        await again.end();
        execFileSync('umount', [folder]);
        rmSync(folder, { recursive: true });
      };
    },
    async act({ load, part, say, mayRepeat }) {
      const filler = join(small!, 'filler');
      say('the disk is full');
      await fill(filler);
      await sleep(20_000);
      rmSync(filler);
      say('and has room again');
      mayRepeat(CONCURRENCY);
      await load.more(part(0.05));
    },
  },
  {
    number: 23,
    title: 'latency, resets and 1 KB/s on the way to PostgreSQL',
    proxy: 'postgres',
    async act({ postgres, load, part, random, say, mayRepeat }) {
      say('50 ms more on the way, each way');
      postgres.slowness = { latencyMs: 50 };
      await load.more(part(0.2), 300_000);
      say('1 KB/s');
      postgres.slowness = { latencyMs: 0, bytesPerSecond: 1024 };
      await sleep(15_000);
      postgres.slowness = undefined;
      postgres.set('down');
      postgres.set('up');
      for (let round = 0; round < 10; round++) {
        say('all connections are reset');
        postgres.set('down');
        await sleep(random(0, 300));
        postgres.set('up');
        await sleep(random(300, 1_500));
      }
      mayRepeat(CONCURRENCY);
    },
  },
];
