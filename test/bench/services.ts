import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { mainOf } from '../../tools/build/build-apps.ts';
import type { DisposableStack } from '../../tools/stack/disposable.ts';
import { freePorts } from '../../tools/stack/ports.ts';
import { serviceUrl, type Service } from '../../tools/stack/postgres-database.ts';

export const KEY = 'bench-0123456789abcdef0123456789abcdef';
export const CLI = join(import.meta.dirname, '..', '..', 'apps', 'cli', 'bin', 'bongsu.js');

/** A service under measurement: its build, in a process of its own. */
export interface Running {
  readonly name: Service;
  readonly child: ChildProcess;
  readonly port: number;
  readonly managementPort: number;
}

/** Starts a service and waits until it is ready. */
export async function start(name: Service, stack: DisposableStack, env: NodeJS.ProcessEnv = {}): Promise<Running> {
  const [port, managementPort] = (await freePorts(2)) as [number, number];
  const child = spawn(process.execPath, [mainOf(name)], {
    env: {
      ...environment(stack),
      DATABASE_URL: serviceUrl(name, stack.ports.postgres),
      PORT: String(port),
      MANAGEMENT_PORT: String(managementPort),
      ...env,
    },
    // The channel is for what is loaded before the service; a service itself does not use it.
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  for (;;) {
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
    const ready = await fetch(`http://127.0.0.1:${managementPort}/health/ready`).catch(() => undefined);
    if (ready?.ok) return { name, child, port, managementPort };
    await sleep(100);
  }
}

/** What all services, and the CLI, are started with. */
export const environment = (stack: DisposableStack): NodeJS.ProcessEnv => ({
  PATH: process.env['PATH'],
  NODE_ENV: 'production',
  LOG_LEVEL: 'warn',
  BOOTSTRAP_API_KEY: KEY,
  KAFKA_BROKERS: stack.kafkaBrokers,
});

/** The sum of a metric's series. */
export async function metric({ managementPort }: Running, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${managementPort}/metrics`)).text();
  return [...text.matchAll(pattern)].reduce((sum, [, value]) => sum + Number(value), 0);
}
