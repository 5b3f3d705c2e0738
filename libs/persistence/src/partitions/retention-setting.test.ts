import { readSettings, SettingsError } from '@bongsu/config';
import { TOPICS } from '@bongsu/contracts';
import { describe, expect, it } from 'vitest';
import { leastRetentionMs, retention } from './retention-setting.js';

const DAY = 86_400_000;
const read = (value: string) =>
  readSettings(
    { LEDGER_RETENTION: retention(Object.values(TOPICS.requests))('how long', '30d') },
    { LEDGER_RETENTION: value },
  ).LEDGER_RETENTION;

describe('a retention', () => {
  it('outlives what Kafka keeps and the longest window of an Idempotency-Key', () => {
    expect(
      leastRetentionMs([
        { ...TOPICS.commands, retentionMs: 3 * DAY },
        { ...TOPICS.events, retentionMs: 9 * DAY },
      ]),
    ).toBe(16 * DAY);
    expect(read('')).toBe(30 * DAY);
    expect(read('14d')).toBe(14 * DAY);
  });

  it.each(['13d', '335h', '1s', '0d'])('refuses %s, and says why', (value) => {
    expect(() => read(value)).toThrow(SettingsError);
    expect(() => read(value)).toThrow(/LEDGER_RETENTION must be at least 14d: Kafka keeps requests for 7d.*sent again/);
  });

  it('refuses what is no duration', () => expect(() => read('for ever')).toThrow('must be a duration'));
});
