import { generateKeyPairSync } from 'node:crypto';
import { readSettings, SettingsError } from '@bongsu/config';
import { describe, expect, it } from 'vitest';
import { AUDIT_SETTINGS } from '../settings.js';
import { CheckpointKeys } from './checkpoint-keys.js';

const GIVEN = { KAFKA_BROKERS: 'k:9092', DATABASE_URL: 'postgres://u:p@h/d' };
const read = (env: NodeJS.ProcessEnv) => readSettings(AUDIT_SETTINGS, { ...GIVEN, ...env });
const problemsOf = (env: NodeJS.ProcessEnv): readonly string[] => {
  try {
    read(env);
    return [];
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems;
  }
};

describe('AUDIT_CHECKPOINT_EVERY', () => {
  it.each([
    ['', { records: Infinity, ms: 10_000 }],
    ['1s', { records: Infinity, ms: 1_000 }],
    ['500', { records: 500, ms: 60_000 }],
  ])('%j is %j', (text, every) => {
    expect(read({ AUDIT_CHECKPOINT_EVERY: text }).AUDIT_CHECKPOINT_EVERY).toEqual(every);
  });

  it.each(['0', '-1', '1.5', '10 s', '1ms', '2d', 's', '1e3'])('%j is refused', (text) => {
    expect(problemsOf({ AUDIT_CHECKPOINT_EVERY: text })).toEqual([
      expect.stringContaining('AUDIT_CHECKPOINT_EVERY must'),
    ]);
  });
});

describe('the signing keys', () => {
  const seed = (letter: string): string => Buffer.alloc(32, letter).toString('base64');
  const keysOf = (env: NodeJS.ProcessEnv): CheckpointKeys => new CheckpointKeys(read(env));

  it('may be missing, and are not shown when they are wrong', () => {
    expect(keysOf({}).own).toEqual([]);
    const [problem = ''] = problemsOf({ AUDIT_SIGNING_KEY: 'hunter2' });
    expect(problem).toMatch(/^AUDIT_SIGNING_KEY must be an Ed25519 private key/);
    expect(problem).not.toContain('hunter2');
  });

  it('are named by AUDIT_ORIGIN', () => {
    const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
    const { own } = keysOf({ AUDIT_SIGNING_KEY: String(pem), AUDIT_ORIGIN: 'example.org/audit' });
    expect(own.map(({ name }) => name)).toEqual(['example.org/audit']);
    for (const name of ['two words', 'a+b', '/a', 'a//b']) expect(problemsOf({ AUDIT_ORIGIN: name })).toHaveLength(1);
  });

  it('are one when the previous one was left where it was', () => {
    const keys = keysOf({ AUDIT_SIGNING_KEY: seed('1'), AUDIT_PREVIOUS_SIGNING_KEY: seed('1') });
    expect([keys.own.length, keys.previous]).toEqual([1, undefined]);
    expect(keysOf({ AUDIT_SIGNING_KEY: seed('2'), AUDIT_PREVIOUS_SIGNING_KEY: seed('1') }).own).toHaveLength(2);
  });
});
