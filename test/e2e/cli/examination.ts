import { Kafka, logLevel, type Admin } from 'kafkajs';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, inject } from 'vitest';
import { System } from '../pipeline/system.js';

const SIGNING_KEY = Buffer.alloc(32, 7).toString('base64');

export let system: System;
export let database: Client;
export let admin: Admin;
export let kafka: Kafka;

/**
 * A system of the file's own, whose parts are broken and mended.
 * @param name goes into the names of its topics and its database
 */
export function withSystem(name: string): void {
  beforeAll(async () => {
    system = await System.start(name, ['api', 'notification', 'audit'], {
      AUDIT_SIGNING_KEY: SIGNING_KEY,
      AUDIT_CHECKPOINT_EVERY: '1s',
    });
    database = new Client({ connectionString: system.databaseUrl });
    kafka = new Kafka({ brokers: inject('bongsu').kafkaBrokers.split(','), logLevel: logLevel.NOTHING });
    admin = kafka.admin();
    await Promise.all([database.connect(), admin.connect()]);
  });
  afterAll(async () => {
    await Promise.all([database.end(), admin.disconnect()]);
    await system.stop();
  });
}

interface Finding {
  readonly what: string;
  readonly state: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly detail: string;
  readonly advice?: string;
}
export interface Examination {
  readonly code: number;
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  /** What is not well, one line each: `FAIL what: detail → advice`. */
  readonly ill: readonly string[];
}

export async function examine(env: Record<string, string> = {}): Promise<Examination> {
  const ports = (['api', 'notification', 'audit'] as const).map((name) => [
    `${name.toUpperCase()}_MANAGEMENT_PORT`,
    new URL(system.service(name).managementUrl).port,
  ]);
  const { code, stdout } = await system.cli(['doctor', '--json'], {
    ...Object.fromEntries(ports),
    DATABASE_URL: system.databaseUrl,
    ...env,
  });
  const report = JSON.parse(stdout) as Omit<Examination, 'code' | 'ill'>;
  const ill = report.findings
    // There is none in a test.
    .filter(({ state, what }) => (state === 'failed' || state === 'warning') && what !== 'mail catcher')
    .map(({ state, what, detail, advice }) => `${state} ${what}: ${detail} → ${advice}`);
  return { code, ...report, ill };
}

export const having = (message: RegExp): unknown => expect.arrayContaining([expect.stringMatching(message)]);

/** What says that something is broken, with the exit code that it must have. */
export const illWith = (message: RegExp, code: 0 | 1): unknown =>
  expect.objectContaining({
    code,
    ok: code === 0,
    ill: having(message),
  });

/** What was just started is a member of its group, and has read everything, a moment later. */
export async function examineUntilWell(): Promise<Examination> {
  let last = await examine();
  for (const end = performance.now() + 30_000; last.ill.length > 0 && performance.now() < end;) last = await examine();
  return last;
}

export const topic = (name: string): string => system.prefix + name;

/** The doctor's own clock is the wrong one: it is what others are compared with. */
export const shifted = (ms: number): Record<string, string> => {
  const code = `const now = Date.now.bind(Date); Date.now = () => now() + ${ms};`;
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` };
};
