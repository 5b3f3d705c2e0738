import { CHANNELS, ENDED_DELIVERY_STATUSES } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { deliveriesTotal } from './metrics.js';

describe('notification_deliveries_total', () => {
  it('has every channel and final state before the first delivery: `increase` does not see how a series begins', async () => {
    const { values } = await deliveriesTotal.get();
    expect(values.map(({ labels: { channel, result }, value }) => [channel, result, value])).toEqual(
      CHANNELS.flatMap((channel) => ENDED_DELIVERY_STATUSES.map((result) => [channel, result, 0])),
    );
  });
});
