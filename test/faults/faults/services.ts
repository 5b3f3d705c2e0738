import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { Fault, Scene } from '../fault.ts';
import { KEYED } from '../load.ts';
import { CONCURRENCY } from '../system.ts';

/** Requests that were repeated with their key until they were answered, and are in the ledger beyond those accepted. */
async function twiceAccepted({ system, load }: Scene): Promise<string[]> {
  const client = new pg.Client({ connectionString: system.databaseUrl });
  await client.connect();
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM notification.notifications WHERE recipient_id LIKE '${KEYED}-%'`,
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
    async act({ system, load, part, random, say }) {
      for (let round = 0; round < 6; round++) {
        await load.more(part(random(1, 10) / 100));
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
    async act({ load, part, say }) {
      for (const offset of ['+3600', '+0', '-3600', '+0']) {
        say(`the services' clocks are at ${offset} s`);
        writeFileSync(CLOCK, offset);
        await sleep(3_000);
        await load.more(part(0.1));
      }
    },
  },
];
