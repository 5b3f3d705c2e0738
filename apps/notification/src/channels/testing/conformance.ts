import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DeliveryAttempt, Outcome, Provider } from '../provider.js';
import { eventually, within } from './attempt.js';

/**
 * What the other side can be told to do. `refuse`: say no for good, `busy`: not now, `hang`: never answer, `cut`: hang up without an
 * answer, `blab`: refuse and repeat every secret and a great deal else.
 */
export type Behaviour = 'accept' | 'busy' | 'refuse' | 'hang' | 'cut' | 'blab';

/** The other side of a provider: a real server in this process. */
export interface Peer {
  behave(behaviour: Behaviour): void;
  /** The delivery ids of the calls that came through, as a receiver would dedupe by them. */
  received(): readonly string[];
  /** Connections that are open now. */
  connections(): number;
  /** Stops listening and cuts every connection. */
  stop(): Promise<void>;
}

export interface Rig {
  readonly provider: Provider;
  /** A new delivery each time. */
  attempt(changes?: Partial<DeliveryAttempt>): DeliveryAttempt;
  /** What must never show in an outcome. */
  readonly secrets: readonly string[];
  /** Left out by a provider that talks to nobody. */
  readonly peer?: Peer;
}

const CALLS = 50;
/** How soon after its signal's abortion a call must be over, milliseconds. */
const ABORT_MS = 100;
/** How soon after close() a call that is under way must be over, milliseconds. */
const CLOSE_MS = 500;
const UNDER_WAY_MS = 50;

/** What every provider keeps to, whatever it talks to. See docs/guides/add-a-provider.md. */
export function describeProvider(name: string, setUp: () => Promise<Rig>, talksTo: 'a peer' | 'nobody'): void {
  describe(`${name} keeps to what every provider keeps to`, () => {
    let rig: Rig;
    beforeEach(async () => {
      rig = await setUp();
    });
    afterEach(async () => {
      await rig.provider.close?.();
      await rig.peer?.stop();
    });

    it('has a name that fits a metric and tells no secret', () => {
      expect(rig.provider.name).toMatch(/^[\x21-\x7e]{1,128}$/);
      for (const secret of rig.secrets) expect(rig.provider.name).not.toContain(secret);
    });
    it('delivers', async () => {
      expect(await rig.provider.deliver(rig.attempt(), within(5000))).toEqual({ kind: 'done' });
    });
    it(`makes ${CALLS} calls at once, each one once`, async () => {
      const attempts = Array.from({ length: CALLS }, () => rig.attempt());
      const outcomes = await Promise.all(attempts.map((attempt) => rig.provider.deliver(attempt, within(5000))));
      expect(outcomes).toEqual(attempts.map(() => ({ kind: 'done' })));
      if (rig.peer) {
        expect([...rig.peer.received()].sort()).toEqual(attempts.map(({ deliveryId }) => deliveryId).sort());
      }
    });
    it('makes no call when it has been given up before it starts', async () => {
      expect(await rig.provider.deliver(rig.attempt(), AbortSignal.abort())).toMatchObject(timeout);
      expect(rig.peer?.received() ?? []).toEqual([]);
    });
    it('resolves whatever it is given', async () => {
      const outcomes = await Promise.all(hostile(rig).map((attempt) => rig.provider.deliver(attempt, within(2000))));
      for (const outcome of outcomes) expectWellFormed(outcome, rig);
      expect(outcomes.filter(({ kind }) => kind === 'retry')).toEqual([]);
    });
    if (talksTo === 'a peer') describePeer(() => rig as Rig & { peer: Peer });
  });
}

const timeout = { kind: 'retry', code: 'timeout' };

function describePeer(current: () => Rig & { peer: Peer }): void {
  const deliver = (signal: AbortSignal = within(5000), attempt = current().attempt()): Promise<Outcome> =>
    current().provider.deliver(attempt, signal);

  it('carries the same id in every attempt', async () => {
    const { peer } = current();
    const delivery = current().attempt();
    peer.behave('busy');
    await deliver(within(5000), delivery);
    peer.behave('accept');
    await deliver(within(5000), { ...delivery, number: 2 });
    expect(new Set(peer.received())).toEqual(new Set([delivery.deliveryId]));
  });
  it.each([
    ['busy', 'retry'],
    ['refuse', 'reject'],
    ['cut', 'retry'],
  ] as const)('takes a peer that does "%s" for a %s', async (behaviour, kind) => {
    current().peer.behave(behaviour);
    const outcome = await deliver();
    expect(outcome.kind).toBe(kind);
    expectWellFormed(outcome, current());
    current().peer.behave('accept');
    expect(await deliver()).toEqual({ kind: 'done' });
  });
  it('repeats neither secrets nor endless words of its peer', async () => {
    current().peer.behave('blab');
    const outcome = await deliver();
    expect(outcome.kind).toBe('reject');
    expectWellFormed(outcome, current());
  });
  it('takes a peer that is not there for a retry', async () => {
    await current().peer.stop();
    expect(await deliver()).toMatchObject({ kind: 'retry', code: 'connection_refused' });
  });
  it(`is over within ${ABORT_MS} ms when a call is given up, and lets go of its connections`, async () => {
    const { peer } = current();
    peer.behave('hang');
    const abort = new AbortController();
    const calls = Array.from({ length: CALLS }, () => deliver(abort.signal));
    await eventually(() => peer.connections() > 0, 'a connection');
    abort.abort();
    // Against a timer of the same event loop: a machine that is busy with something else delays both.
    const outcomes = await Promise.race([Promise.all(calls), sleep(ABORT_MS)]);
    expect(outcomes).toMatchObject(calls.map(() => timeout));
    await eventually(() => peer.connections() === 0, 'no connection left');
    peer.behave('accept');
    expect(await deliver()).toEqual({ kind: 'done' });
  });
  it('closes every connection when it closes, and resolves afterwards too', async () => {
    const { peer, provider } = current();
    await Promise.all(Array.from({ length: CALLS }, () => deliver()));
    peer.behave('hang');
    const call = deliver();
    // Long enough to be under way, over one of the connections that are open.
    await sleep(UNDER_WAY_MS);
    await provider.close?.();
    expect(await Promise.race([call, sleep(CLOSE_MS)])).toMatchObject({ kind: 'retry' });
    await eventually(() => peer.connections() === 0, 'no connection left');
    expect((await deliver()).kind).toBe('retry');
  });
}

/** Attempts that no API would let through; a provider gets them from a topic all the same. */
function hostile(rig: Rig): DeliveryAttempt[] {
  const texts = ['', '\0', '\r\nBcc: x@example.org', '\ud800', '<', ' ', 'a@b, c@d', '@', '://', 'x'.repeat(100_000)];
  return [
    rig.attempt({ recipient: { id: 'nobody' } }),
    ...texts.map((text) => rig.attempt({ recipient: { id: text, email: text, webhook: { url: text }, phone: text } })),
    ...texts.map((text) => rig.attempt({ content: { subject: text, body: text, html: text }, category: text })),
  ];
}

/** An outcome's error ends up in a timeline, a topic and a metric. */
function expectWellFormed(outcome: Outcome, { secrets }: Rig): void {
  if (outcome.kind === 'done') return;
  expect(outcome.code).toMatch(/^[a-z0-9_]{1,64}$/);
  expect(outcome.message.length).toBeLessThanOrEqual(1000);
  expect(outcome.message).toMatch(/^[^\p{C}]+$/u);
  for (const secret of secrets) expect(outcome.message).not.toContain(secret);
}
