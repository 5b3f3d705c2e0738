import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault } from '../fault.ts';
import { CONCURRENCY } from '../system.ts';

/** What happens to those who consume. */
export const CONSUMER_FAULTS: readonly Fault[] = [
  {
    number: 8,
    title: '`kill -9` of a consumer in the middle of a batch, again and again',
    async act({ system, load, random, say, mayRepeat }) {
      for (let round = 0; round < 6; round++) {
        const victim = round % 2 === 0 ? 'notification' : 'audit';
        say(`kill -9 of ${victim}`);
        await system.killAndRestart(victim);
        if (victim === 'notification') mayRepeat(CONCURRENCY);
        await load.more(random(200, 600));
      }
    },
  },
  {
    number: 9,
    title: 'a consumer stands still (SIGSTOP) for longer than its session, and wakes',
    replicas: { notification: 2, audit: 2 },
    async act({ system, load, part, random, say, mayRepeat }) {
      for (const victims of [['notification', 'audit-2'], ['notification-2']]) {
        say(`SIGSTOP of ${victims.join(' and ')}`);
        for (const victim of victims) system.service(victim).signal('SIGSTOP');
        // A session lasts 9 s: by then the partitions have other owners for seconds.
        await sleep(random(15_000, 18_000));
        say(`SIGCONT of ${victims.join(' and ')}`);
        for (const victim of victims) system.service(victim).signal('SIGCONT');
        mayRepeat(CONCURRENCY);
        await load.more(part(0.05));
      }
    },
  },
  {
    number: 10,
    title: 'every service restarted in order (SIGTERM), each within 10 s',
    async act({ system, load, part, say }) {
      for (const name of ['notification', 'audit', 'api', 'notification', 'audit', 'api']) {
        const asked = performance.now();
        const code = await system.end(name);
        const took = performance.now() - asked;
        say(`${name} ended with ${code} after ${Math.round(took)} ms`);
        if (code !== 0 || took > 10_000) throw new Error(`${name} ended with ${code} after ${Math.round(took)} ms`);
        await system.restart(name);
        await load.more(part(0.05));
      }
    },
  },
  {
    number: 11,
    title: 'consumers come and go; more consumers than partitions',
    replicas: { notification: 3 },
    async act({ system, load, random, say, mayRepeat }) {
      const others = ['notification-2', 'notification-3'];
      for (let round = 0; round < 6; round++) {
        const victim = others[round % 2]!;
        const hard = random(0, 2) === 0;
        say(`${victim} leaves ${hard ? 'without a word' : 'in order'}, and comes back`);
        if (hard) await system.kill(victim);
        else await system.end(victim);
        if (hard) mayRepeat(CONCURRENCY);
        await system.restart(victim);
        await load.more(random(100, 300));
      }
    },
  },
];
