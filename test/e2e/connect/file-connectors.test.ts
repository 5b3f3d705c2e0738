import { execFile } from 'node:child_process';
import { appendFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deadLetterTopic, GROUPS, TOPICS } from '@bongsu/contracts';
import { freePorts, waitUntil } from '@bongsu/testing';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { connectIsReady, prepareConnect } from '../../../tools/stack/connect.ts';
import { resolveConnectJars } from '../../../tools/stack/jars.ts';
import { endProcess, runningProcess, startProcess, type ProcessSpec } from '../../../tools/stack/process.ts';
import { signal } from '../../../tools/stack/process-identity.ts';
import { API_KEY, System } from '../pipeline/system.js';

/*
 * docs/guides/kafka-connect.md on the real thing: Kafka Connect with the connectors of infra/connect, requests in from a file
 * and events out to one, and what becomes of it when Connect is killed.
 */

const ROOT = join(import.meta.dirname, '..', '..', '..');

interface Fact {
  readonly notificationId: string;
  readonly recipientId: string;
  readonly deliveryId: string;
  readonly version: number;
  readonly status: string;
}

let system: System;
let connect: ProcessSpec;
let folder: string;
let port: number;
const fileOf = (name: string): string => join(folder, name);

beforeAll(async () => {
  [folder, [port]] = (await Promise.all([mkdtemp(join(tmpdir(), 'bongsu-connect-')), freePorts(1)])) as [
    string,
    [number],
  ];
  system = await System.start('connect', ['api', 'notification']);
  connect = await prepareConnect({
    classpath: await resolveConnectJars(),
    home: fileOf('home'),
    brokers: inject('bongsu').kafkaBrokers,
    port,
    requestsFile: fileOf('requests.ndjson'),
    eventsFile: fileOf('events.ndjson'),
    topicPrefix: system.prefix,
    pidFile: fileOf('connect.pid'),
  });
  await startConnect();
}, 180_000);
afterAll(async () => {
  await endProcess(connect.pidFile, { ...connect, graceMs: 8_000 });
  await system.stop();
  await rm(folder, { recursive: true, force: true });
});

async function startConnect(): Promise<void> {
  await startProcess(connect, { file: fileOf('connect.log') });
  await waitUntil('Connect runs its connectors', () => connectIsReady(port), { timeoutMs: 60_000, everyMs: 100 });
}

/** `kill -9`. */
async function killConnect(): Promise<void> {
  const running = runningProcess(connect.pidFile)!;
  signal(running, 'SIGKILL');
  await waitUntil('Connect is gone', () => runningProcess(connect.pidFile) === undefined);
}

const requestOf = (recipient: string): object => ({
  recipient: { id: recipient },
  channels: ['log'],
  content: { body: `Hello ${recipient}` },
});
const send = (...lines: readonly (object | string)[]): Promise<void> =>
  appendFile(
    fileOf('requests.ndjson'),
    lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join(''),
  );

/** What the file of events has, each event once. */
async function facts(): Promise<Map<string, Fact>> {
  const lines = (await readFile(fileOf('events.ndjson'), 'utf8')).split('\n').filter((line) => line !== '');
  const read = lines.map((line) => JSON.parse(line) as Fact);
  return new Map(read.map((fact) => [`${fact.deliveryId} ${fact.version}`, fact]));
}
const deliveredTo = async (): Promise<string[]> =>
  [...(await facts()).values()].filter(({ status }) => status === 'delivered').map((fact) => fact.recipientId);

it('sends what a line of the file asks for, and writes what became of it into the other file', async () => {
  await send(requestOf('file-1'), '', { ...requestOf('file-2'), priority: 'urgent', idempotencyKey: 'order-42' });
  await expect.poll(async () => (await deliveredTo()).toSorted(), { timeout: 30_000 }).toEqual(['file-1', 'file-2']);
  const [fact] = (await facts()).values();
  // What can be read over HTTP follows on its own.
  await expect.poll(async () => (await system.notification(fact!.notificationId)).status).toBe('delivered');
});

it('puts a line that is no request with the dead letters, and goes on', async () => {
  await send('{"recipient":', { ...requestOf('poison'), channels: ['pigeon'] }, requestOf('after-poison'));
  await expect.poll(deliveredTo, { timeout: 30_000 }).toContain('after-poison');
  const letters = await system.cli(['dead-letters', 'show', TOPICS.imports.name, '--group', GROUPS.status, '--json']);
  expect(letters.code, letters.stderr).toBe(0);
  const codes = [...letters.stdout.matchAll(/"(record_not_json|validation_failed)"/g)].map(([, code]) => code);
  expect(new Set(codes)).toEqual(new Set(['record_not_json', 'validation_failed']));
  expect(deadLetterTopic(TOPICS.imports.name, GROUPS.status)).toBe('notification.imports.v1.bongsu.status.dlt');
  expect(await deliveredTo()).not.toContain('poison');
});

describe('docs/guides/kafka-connect.md', () => {
  /** Runs a line as a reader would, from the repository, with this system's topics for those of the page. */
  async function run(line: string): Promise<string> {
    const command = line
      .replaceAll('npx bongsu', `"${process.execPath}" apps/cli/bin/bongsu.js`)
      .replaceAll('npm run -s kafka --', `"${process.execPath}" tools/kafka.ts`)
      .replaceAll('--topic notification.', `--topic ${system.prefix}notification.`);
    const { stdout } = await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', command], {
      cwd: ROOT,
      env: {
        ...process.env,
        REQUESTS: fileOf('requests.ndjson'),
        EVENTS: fileOf('events.ndjson'),
        CONNECT_PORT: String(port),
        KAFKA_PORT: String(inject('bongsu').ports.kafka),
        KAFKA_BROKERS: inject('bongsu').kafkaBrokers,
        KAFKA_TOPIC_PREFIX: system.prefix,
        BONGSU_API_URL: system.service('api').url,
        BONGSU_API_KEY: API_KEY,
      },
      timeout: 60_000,
    });
    return stdout;
  }

  it('does what it says, line by line', { timeout: 180_000 }, async () => {
    const page = await readFile(join(ROOT, 'docs', 'guides', 'kafka-connect.md'), 'utf8');
    const lines = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block = '']) => block.trim().split('\n'));
    const said = new Map<string, string>();
    for (const line of lines) {
      if (line.includes('$EVENTS'))
        await waitUntil(
          'both are delivered',
          async () => (await deliveredTo()).filter((to) => to.startsWith('page-')).length === 2,
        );
      said.set(line, await run(line));
    }
    const saidOf = (words: string): string => [...said].find(([line]) => line.includes(words))?.[1] ?? '';
    expect(saidOf('tail')).toContain('"status":"delivered"');
    expect(saidOf('dead-letters show')).toMatch(/record_not_json/);
    expect(saidOf('--describe --group connect-events-to-file')).toContain('notification.events.v1');
    expect(saidOf('/status')).toContain('"RUNNING"');
    await expect.poll(deliveredTo, { timeout: 30_000 }).toContain('page-3');
    expect(lines.length).toBeGreaterThan(4);
  });
});

it('takes the same line for the same notification, and the same key too', async () => {
  await send(requestOf('file-1'), { ...requestOf('file-2'), priority: 'urgent', idempotencyKey: 'order-42' });
  // Of one recipient they stay in order: when the last one has arrived, the others would have.
  await send(
    { ...requestOf('file-2'), idempotencyKey: 'order-43' },
    { ...requestOf('file-1'), idempotencyKey: 'last' },
  );
  const sentTo = async (recipient: string): Promise<number> =>
    (await deliveredTo()).filter((to) => to === recipient).length;
  const sent = async (): Promise<number[]> => [await sentTo('file-1'), await sentTo('file-2')];
  await expect.poll(sent, { timeout: 30_000 }).toEqual([2, 2]);
});

it('loses nothing and sends nothing twice when Connect is killed in the middle', { timeout: 180_000 }, async () => {
  const wanted = Array.from({ length: 2_000 }, (_, n) => `many-${n}`);
  const arrived = async (): Promise<string[]> => (await deliveredTo()).filter((to) => to.startsWith('many-'));
  // In parts, so that each kill finds it reading, writing, or between both.
  for (let from = 0; from < wanted.length; from += 500) {
    await send(...wanted.slice(from, from + 500).map(requestOf));
    await expect.poll(async () => (await arrived()).length, { timeout: 30_000, interval: 20 }).toBeGreaterThan(from);
    await killConnect();
    await startConnect();
  }
  await expect.poll(async () => (await arrived()).length, { timeout: 60_000 }).toBeGreaterThanOrEqual(wanted.length);
  expect((await arrived()).toSorted()).toEqual(wanted.toSorted());
});
