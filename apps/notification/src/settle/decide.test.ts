import { describe, expect, it } from 'vitest';
import type { Outcome } from '../channels/provider.js';
import { leased } from '../testing/leased.js';
import { decide, endBeforeAttempt } from './decide.js';

const now = new Date('2026-11-21T12:00:00.000Z');
const context = { now, random: 0.5, schedule: [1000], cancelled: false };
const finished = (outcome: Outcome) => ({ provider: 'p', startedAt: now, durationMs: 12, outcome });
const RETRY: Outcome = { kind: 'retry', code: 'http_503', message: 'busy' };

describe('decide', () => {
  it('ends a delivery that was done', () => {
    expect(decide(leased({}), finished({ kind: 'done' }), context)).toMatchObject({
      status: 'delivered',
      ended: true,
      attempts: 1,
      nextAttemptAt: null,
    });
  });

  it('ends a rejected one at once, with the reason in its attempt', () => {
    const decision = decide(leased({}), finished({ kind: 'reject', code: 'http_404', message: 'gone' }), context);
    expect(decision).toMatchObject({
      status: 'rejected',
      ended: true,
      attempt: { error: { code: 'http_404', message: 'gone' } },
    });
  });

  it('schedules the next attempt of one that failed for now', () => {
    const decision = decide(leased({}), finished(RETRY), context);
    expect(decision).toMatchObject({ status: 'retrying', ended: false, attempts: 1 });
    expect(decision.nextAttemptAt?.toISOString()).toBe('2026-11-21T12:00:01.000Z');
  });

  it('calls it dead when the schedule is used up', () => {
    expect(decide(leased({ attempts: 1 }), finished(RETRY), context)).toMatchObject({ status: 'dead', attempts: 2 });
  });

  it('begins the schedule anew for one that was redriven, while its attempts are counted on', () => {
    const redriven = { attempts: 2, scheduleFrom: 2 };
    expect(decide(leased(redriven), finished(RETRY), context)).toMatchObject({ status: 'retrying', attempts: 3 });
    const last = { attempts: 3, scheduleFrom: 2 };
    expect(decide(leased(last), finished(RETRY), context)).toMatchObject({ status: 'dead', attempts: 4 });
  });

  it('cancels instead of retrying when that was asked for meanwhile, but does not deny a delivery', () => {
    expect(decide(leased({}), finished(RETRY), { ...context, cancelled: true }).status).toBe('cancelled');
    expect(decide(leased({}), finished({ kind: 'done' }), { ...context, cancelled: true }).status).toBe('delivered');
  });

  it('expires when the next attempt would come too late', () => {
    const delivery = leased({});
    const request = { ...delivery.request, expiresAt: '2026-11-21T12:00:00.500Z' };
    expect(decide({ ...delivery, request }, finished(RETRY), context).status).toBe('expired');
  });

  it("keeps a provider's words storable", () => {
    const message = `bad\0 \ud800 ${'x'.repeat(2000)}`;
    const error = decide(leased({}), finished({ kind: 'retry', code: 'smtp_451', message }), context).attempt?.error;
    expect(error?.message).toHaveLength(1000);
    expect(error?.message.isWellFormed()).toBe(true);
    expect(error?.message).not.toContain('\0');
  });
});

describe('endBeforeAttempt', () => {
  it('lets a delivery start that is neither cancelled nor late', () => {
    expect(endBeforeAttempt(leased({}), now, false)).toBeUndefined();
  });

  it('ends one that is cancelled or late, without an attempt', () => {
    const cancelled = { status: 'cancelled', attempts: 0, reason: 'cancelled before it started' };
    expect(endBeforeAttempt(leased({}), now, true)).toMatchObject(cancelled);
    const tried = { status: 'cancelled', attempts: 2, reason: 'cancelled before its next attempt' };
    expect(endBeforeAttempt(leased({ attempts: 2 }), now, true)).toMatchObject(tried);
    const delivery = leased({});
    const late = { ...delivery, request: { ...delivery.request, expiresAt: now.toISOString() } };
    expect(endBeforeAttempt(late, now, false)).toMatchObject({ status: 'expired', attempts: 0 });
  });
});
