import { randomUUID } from 'node:crypto';
import type { DeliveryAttempt } from '../provider.js';

/** An attempt as the dispatcher makes them, with an id of its own. */
export function testAttempt(changes: Partial<DeliveryAttempt> & Pick<DeliveryAttempt, 'channel'>): DeliveryAttempt {
  return {
    deliveryId: randomUUID(),
    notificationId: randomUUID(),
    tenant: 'default',
    number: 1,
    recipient: { id: 'user-1' },
    content: { subject: 'A subject', body: 'A body' },
    acceptedAt: '2026-11-21T09:00:00.000Z',
    ...changes,
  };
}

/** A signal that aborts by itself after so many milliseconds. */
export const within = (ms: number): AbortSignal => AbortSignal.timeout(ms);

/** Waits until something holds; throws after four seconds. */
export async function eventually(holds: () => boolean, what: string): Promise<void> {
  const until = performance.now() + 4000;
  while (!holds()) {
    if (performance.now() > until) throw new Error(`not within four seconds: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
