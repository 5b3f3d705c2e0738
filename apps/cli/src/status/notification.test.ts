import { NOTIFICATION_STATUSES, type NotificationStatus } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { described, exitCodeOf, isOver, type Notification } from './notification.js';

const notification = (status: NotificationStatus): Notification => ({
  id: '01890a5d-ac96-774b-bcce-b302099a8057',
  status,
  priority: 'normal',
  createdAt: '2026-11-21T00:00:00Z',
  recipient: { id: 'user-1\u001B[2J' },
  deliveries: [
    { channel: 'log', provider: 'log', status: 'delivered', attempts: [] },
    {
      channel: 'webhook',
      status: 'retrying',
      nextAttemptAt: '2026-11-21T00:00:05Z',
      attempts: [
        {
          number: 1,
          startedAt: '2026-11-21T00:00:00Z',
          durationMs: 3,
          outcome: 'retry',
          error: { code: 'http_503', message: 'Service\nUnavailable' },
        },
      ],
    },
  ],
});

describe('the exit code of a status', () => {
  it('is 0 for delivered and for what may still be, 1 for every other end', () => {
    const zero = NOTIFICATION_STATUSES.filter((status) => exitCodeOf(notification(status)) === 0);
    expect(zero).toEqual(['accepted', 'scheduled', 'in_progress', 'delivered']);
    expect(NOTIFICATION_STATUSES.filter((status) => !isOver(status))).toEqual(zero.slice(0, 3));
  });
});

describe('a status in words', () => {
  it('says what became of each delivery, in lines that nobody outside can forge', () => {
    const text = described(notification('in_progress'));
    expect(text).not.toContain('\u001B');
    const lines = text.split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]).toMatch(/webhook +retrying +- +1 attempt +http_503: Service.Unavailable; next attempt 2026/);
  });
});
