import type { DeliveryStatus } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { foldStatus, isScheduled } from './fold.js';

const known = (statuses: Record<string, DeliveryStatus>) => new Map(Object.entries(statuses));

describe('the status of a notification', () => {
  it('leaves its end when one of its deliveries is redriven, and comes to another one', () => {
    const channels = ['email', 'webhook'];
    const folds = (['dead', 'retrying', 'delivered'] as const).map((email) =>
      foldStatus(channels, false, known({ email, webhook: 'delivered' })),
    );
    expect(folds).toEqual(['partially_delivered', 'in_progress', 'delivered']);
    expect(foldStatus(['email'], false, known({ email: 'dead' }))).toBe('failed');
    expect(foldStatus(['email'], false, known({ email: 'retrying' }))).toBe('in_progress');
  });

  it('counts channels that nothing is known of yet', () => {
    expect(foldStatus(['email', 'log'], false, known({ log: 'dead' }))).toBe('in_progress');
    expect(foldStatus(['email', 'log'], true, known({}))).toBe('scheduled');
    expect(foldStatus([], false, known({ log: 'dead' }))).toBe('failed');
  });
});

describe('isScheduled', () => {
  it('is about the future as it was at acceptance', () => {
    expect(isScheduled('2026-11-21T00:00:00Z', '2026-11-21T09:00:00+09:00')).toBe(false);
    expect(isScheduled('2026-11-21T00:00:00Z', '2026-11-21T09:00:01+09:00')).toBe(true);
    expect(isScheduled('2026-11-21T00:00:00Z', undefined)).toBe(false);
  });
});
