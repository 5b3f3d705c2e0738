import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '@bongsu/testing';
import { expect, it } from 'vitest';
import type { LeasedDelivery } from '../../../apps/notification/src/ledger/delivery.js';
import { BROKEN, flakyWorkers } from './flaky-workers.js';
import { FLOW, SHARD, accepted, inLedger, inMemory, ledgerRig, settlement } from './ledger-rig.js';

const rig = ledgerRig();
const flaky = flakyWorkers(rig);
const SEED = Number(process.env['TEST_SEED'] ?? Date.now() % 1_000_000);
const RUN_MS = 4_000;
const STATEMENTS = ['COMMIT', 'COMMIT', 'ledger_insert_accepted', 'ledger_settle'];

/** As the dispatcher and the settler do it: what is handed out is attempted, and its outcome written until it is written. */
class Hands {
  /** Attempts that were handed out: `<delivery> <version>`. */
  readonly handedOut: string[] = [];
  readonly inOrder: string[] = [];
  readonly ended = new Set<string>();
  readonly #settle: (delivery: LeasedDelivery) => Promise<LeasedDelivery[]>;
  #busy = 0;

  constructor(settle: (delivery: LeasedDelivery) => Promise<LeasedDelivery[]>) {
    this.#settle = settle;
  }

  get busy(): number {
    return this.#busy;
  }

  take(deliveries: readonly LeasedDelivery[]): void {
    for (const delivery of deliveries) {
      this.handedOut.push(`${delivery.id} ${delivery.version}`);
      if (delivery.version === 0 && delivery.key.endsWith('/backlog')) this.inOrder.push(delivery.notificationId);
      void this.#attempt(delivery);
    }
  }

  async #attempt(delivery: LeasedDelivery): Promise<void> {
    this.#busy++;
    this.take(await this.#settle(delivery));
    if (delivery.version > 0) this.ended.add(delivery.id);
    this.#busy--;
  }
}

it(
  `hands each attempt out once and none never, whatever breaks under way (TEST_SEED=${SEED})`,
  { timeout: 60_000 },
  async () => {
    const random = seeded(SEED);
    const { ledger, found } = await flaky.worker();
    let breaking = true;
    const again = async <T>(work: () => Promise<T>): Promise<T> => {
      for (;;) {
        try {
          return await work();
        } catch (error) {
          // What was about to break last may do so when the others have stopped.
          if (!breaking && !BROKEN.test(String(error))) throw error;
          await sleep(random() * 20);
        }
      }
    };
    const hands = new Hands(async (delivery) => {
      await sleep(random() * 10);
      // Each is tried twice, the second time at once.
      const outcome =
        delivery.version === 0
          ? settlement(delivery, 'retrying', new Date(Date.now() - 1))
          : settlement(delivery, 'delivered');
      return again(() => ledger.settle([outcome]));
    });
    const until = performance.now() + RUN_MS;
    const isOn = () => performance.now() < until;
    const whatWasFound = (): void => hands.take(found.splice(0));
    const backlogged: string[] = [];
    const all = new Set<string>();

    const takeIn = async (): Promise<void> => {
      for (let n = 0; isOn(); n++) {
        const recipient = { id: n % 3 === 0 ? 'backlog' : `user-${n}` };
        const batch = [1, 2, 3].map(() =>
          accepted({ recipient, ...(n % 3 === 1 ? { orderingKey: `o-${n % 5}` } : {}) }),
        );
        if (n % 3 === 0) backlogged.push(...batch.map(({ request }) => request.id));
        for (const { request } of batch) all.add(request.id);
        const started = await again(() => ledger.takeIn(SHARD, batch, n % 3 === 0 ? inLedger : inMemory, true));
        whatWasFound();
        hands.take(started);
      }
    };
    const claim = async (): Promise<void> => {
      while (isOn() || hands.ended.size < all.size) {
        const claimed = await ledger.claim([SHARD], 5).catch(() => []);
        whatWasFound();
        hands.take(claimed);
        await sleep(2);
      }
    };
    const readBacklog = async (): Promise<void> => {
      while (isOn() || hands.ended.size < all.size) {
        const page = await ledger.leaseBacklog([{ shard: SHARD, flow: FLOW, count: 4 }]).catch(() => []);
        whatWasFound();
        hands.take(page);
        await sleep(2);
      }
    };
    const look = async (): Promise<void> => {
      while (isOn() || hands.ended.size < all.size) {
        await ledger.findLost().catch(() => undefined);
        whatWasFound();
        await sleep(5);
      }
    };
    const breakOften = async (): Promise<void> => {
      let broken = 0;
      for (; isOn(); broken++) {
        const statement = STATEMENTS[Math.floor(random() * STATEMENTS.length)]!;
        await Promise.race([flaky.proxy.break(statement, random() < 0.5 ? 'answered' : 'sent'), sleep(300)]);
        await sleep(random() * 30);
      }
      breaking = false;
      expect(broken).toBeGreaterThan(3);
    };

    await Promise.all([takeIn(), claim(), readBacklog(), look(), breakOften()]);
    await expect.poll(() => hands.busy).toBe(0);
    expect(hands.handedOut.length - new Set(hands.handedOut).size).toBe(0);
    expect(hands.inOrder).toEqual(backlogged);
    expect(await rig.rows('ended_at IS NULL')).toEqual([]);
  },
);
