import { describe, expect, it } from 'vitest';
import { KAFKA_SETTINGS, PRODUCER_SETTINGS } from './shared-settings.js';
import {
  SettingsError,
  bytes,
  duration,
  integer,
  list,
  optional,
  port,
  readSettings,
  secret,
  text,
} from './settings.js';

describe('readSettings', () => {
  const spec = {
    PORT: port('where it listens', '3000'),
    TOKEN: secret(text('a secret')),
    LIMIT: optional(integer(1, 10)('a limit')),
    GAPS: list(duration(1)('a gap'))('gaps', '5s, 30s,2m'),
    MEMORY: bytes(1024, 1024 ** 3)('memory', '32MB'),
  };

  it('reads what is set and falls back for the rest', () => {
    expect(readSettings(spec, { TOKEN: ' t ', PORT: '8080' })).toEqual({
      PORT: 8080,
      TOKEN: 't',
      GAPS: [5000, 30_000, 120_000],
      MEMORY: 32 * 1024 ** 2,
    });
  });

  it('lists every problem at once, without the secrets', () => {
    const read = () =>
      readSettings(
        { ...spec, TOKEN: secret(integer(0, 1)('a secret')) },
        { PORT: '70000', TOKEN: 'hunter2', LIMIT: '1e1', GAPS: '5 s', MEMORY: '1' },
      );
    expect(read).toThrow(SettingsError);
    try {
      read();
    } catch (error) {
      const { problems, message } = error as SettingsError;
      expect(problems.map((problem) => problem.split(' ')[0])).toEqual(['PORT', 'TOKEN', 'LIMIT', 'GAPS', 'MEMORY']);
      expect(message).not.toContain('hunter2');
    }
  });

  it('takes an empty variable for one that is not set', () => {
    expect(readSettings({ PORT: spec.PORT }, { PORT: '' })).toEqual({ PORT: 3000 });
    expect(() => readSettings({ TOKEN: spec.TOKEN }, { TOKEN: '' })).toThrow(/TOKEN is required/);
  });

  it('reads the settings of Kafka', () => {
    const settings = readSettings(
      { ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS },
      { KAFKA_BROKERS: 'a:1, b:2', KAFKA_PINNED_KEYS: 'default/big=3,x=y=0' },
    );
    expect(settings.KAFKA_BROKERS).toEqual(['a:1', 'b:2']);
    expect([...settings.KAFKA_PINNED_KEYS]).toEqual([
      ['default/big', 3],
      ['x=y', 0],
    ]);
    expect(settings.KAFKA_ACKS).toBe('all');
  });

  it.each([
    ['KAFKA_BROKERS', 'a'],
    ['KAFKA_ACKS', '2'],
    ['KAFKA_PINNED_KEYS', 'a=b'],
    ['KAFKA_COMPRESSION', 'brotli'],
    ['KAFKA_LINGER_MS', '-1'],
  ])('refuses %s=%s', (name, value) => {
    expect(() => readSettings({ ...KAFKA_SETTINGS, ...PRODUCER_SETTINGS }, { [name]: value })).toThrow(name);
  });
});
