import type { TestProject } from 'vitest/node';
import { buildApps } from '../tools/build/build-apps.ts';
import { endStack, endStackNow, startDisposableStack, type DisposableStack } from '../tools/stack/disposable.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The stack that this run has booted; absent when only unit tests run. */
    bongsu: DisposableStack;
  }
}

/**
 * Boots ZooKeeper, Kafka and PostgreSQL once for the whole run, and builds the services for the tests that start them.
 * A run of unit tests alone needs none of it. vitest runs this file once, in the process that started the run.
 */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  // By now vitest knows the files of this run; in watch mode any other may follow.
  const files = project.vitest.state.getPaths();
  const watching = project.vitest.config.watch;
  const needsStack = watching || files.some((file) => /[\\/]test[\\/](integration|e2e)[\\/]/.test(file));
  const needsApps = watching || files.some((file) => /[\\/]test[\\/]e2e[\\/]/.test(file));
  if (!needsStack) return undefined;

  const started = performance.now();
  let home: string | undefined;
  // A run that is cut short (a second Ctrl-C, process.exit) does not get to its teardown.
  process.once('exit', () => home && endStackNow(home));
  const booting = startDisposableStack().then((stack) => {
    home = stack.home;
    return stack;
  });
  try {
    const [stack] = await Promise.all([booting, needsApps ? buildApps() : undefined]);
    project.provide('bongsu', stack);
  } catch (error) {
    // Without this a failed build would leave a stack running that nobody ends.
    await booting.then(
      (stack) => endStack(stack.home),
      () => undefined,
    );
    throw error;
  }
  console.log(`Kafka, ZooKeeper and PostgreSQL are up (${((performance.now() - started) / 1000).toFixed(1)} s)`);
  return async () => {
    if (home) await endStack(home);
    home = undefined;
  };
}
