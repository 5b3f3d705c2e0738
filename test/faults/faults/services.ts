import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Fault, Scene } from '../fault.ts';
import { residentBytes } from '../memory.ts';
import { CONCURRENCY } from '../system.ts';

/** Requests that were repeated with their key until they were answered, and are in the ledger beyond those accepted. */
async function twiceAccepted({ system, load }: Scene): Promise<string[]> {
  const client = new pg.Client({ connectionString: system.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM notification.notifications WHERE recipient_id ~ '^(hot-[02]|user-\\d*[02468]-\\d+)$'`,
  );
  await client.end();
  const accepted = new Set(load.ids);
  const more = rows.filter(({ id }) => !accepted.has(id)).length;
  const allowed = load.unanswered.size;
  return more > allowed ? [`${more} requests with a key were taken twice (${allowed} were never answered)`] : [];
}

/** The library that shifts clocks, in Debian's and Ubuntu's place for it, by architecture. */
const FAKETIME = ['x86_64', 'aarch64']
  .map((arch) => `/usr/lib/${arch}-linux-gnu/faketime/libfaketime.so.1`)
  .find((file) => existsSync(file));
const CLOCK = join(tmpdir(), `bongsu-clock-${process.pid}`);

/** What happens to the services' own processes, and to who calls them. */
export const SERVICE_FAULTS: readonly Fault[] = [
  {
    number: 15,
    title: 'the api killed around its answers, clients repeat with their keys',
    async act({ system, load, random, say }) {
      for (let round = 0; round < 6; round++) {
        await load.more(random(50, 400));
        say('kill -9 of api');
        await system.killAndRestart('api');
      }
    },
    check: twiceAccepted,
  },
  {
    number: 16,
    title: "notification killed between a provider's answer and the record of it",
    async act({ system, load, provider, random, say, mayRepeat }) {
      for (let round = 0; round < 5; round++) {
        let left = random(50, 300);
        await new Promise<void>((resolve) => {
          provider.behave = (response) => {
            response.writeHead(204).end(() => {
              if (--left === 0) void system.kill('notification').then(resolve);
            });
          };
        });
        provider.behaveWell();
        say('kill -9 of notification, just when it was answered');
        mayRepeat(CONCURRENCY);
        await system.restart('notification');
        await load.more(200);
      }
    },
  },
  {
    number: 24,
    title: 'the clocks step by an hour, forth and back',
    async prepare() {
      if (FAKETIME === undefined) throw new Error('libfaketime is not installed (package libfaketime)');
      writeFileSync(CLOCK, '+0');
      return async () => rmSync(CLOCK);
    },
    settings: {
      LD_PRELOAD: FAKETIME ?? '',
      FAKETIME_TIMESTAMP_FILE: CLOCK,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      FAKETIME_CACHE_DURATION: '1',
    },
    async act({ load, say }) {
      for (const offset of ['+3600', '+0', '-3600', '+0']) {
        say(`the services' clocks are at ${offset} s`);
        writeFileSync(CLOCK, offset);
        await sleep(3_000);
        await load.more(300);
      }
    },
  },
  {
    number: 27,
    title: 'soak: memory stays flat',
    share: 2,
    async act({ system, load, say }) {
      const samples: number[][] = [];
      // The first third is the caches and the heaps that fill.
      for (let third = 0; third < 3; third++) {
        const sizes: number[] = [];
        const until = load.count + 10_000;
        while (load.count < until) {
          sizes.push(system.names.reduce((sum, name) => sum + residentBytes(system.service(name).pid), 0));
          await sleep(500);
        }
        samples.push(sizes.sort((a, b) => a - b));
      }
      const medians = samples.map((sizes) => Math.round((sizes[sizes.length >> 1] ?? 0) / 1024 ** 2));
      say(`resident memory of all services, medians of three thirds: ${medians.join(', ')} MB`);
      if (medians[2]! > medians[1]! * 1.15) throw new Error(`Memory grows: ${medians.join(', ')} MB`);
    },
  },
  {
    number: 28,
    title: 'far more than can be taken: 429 or 503, flat memory, then recovery',
    settings: { KAFKA_BUFFER_MEMORY: '1048576' },
    patienceSeconds: 600,
    async act({ system, load, say }) {
      const answers = new Map(load.refusals);
      await load.flood(300, 60_000);
      const refused = [429, 503].reduce((n, of) => n + (load.refusals.get(of) ?? 0) - (answers.get(of) ?? 0), 0);
      if (refused === 0) throw new Error('Nothing was refused: it was not more than can be taken');
      const other = [...load.refusals].filter(
        ([status, count]) => ![429, 503].includes(status) && count > (answers.get(status) ?? 0),
      );
      if (other.length > 0) throw new Error(`Answers other than 202, 429 and 503: ${JSON.stringify(other)}`);
      const sizes = system.names.map((name) => Math.round(residentBytes(system.service(name).pid) / 1024 ** 2));
      say(`${load.count} accepted so far; resident memory ${sizes.join(', ')} MB`);
      if (sizes.some((size) => size > 1024)) throw new Error(`Memory is not bounded: ${sizes.join(', ')} MB`);
    },
  },
];
