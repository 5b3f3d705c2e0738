import { AlreadyRunning } from './supervisor/home.ts';
import { Screen } from './supervisor/screen.ts';
import { readStackSettings } from './supervisor/stack-settings.ts';
import { summary } from './supervisor/summary.ts';
import { CannotStart, Supervisor } from './supervisor/supervisor.ts';

/** After so long, milliseconds, whatever is left is killed: everything must be gone within 15 s. */
const STOP_LIMIT = 13_500;
/** A Ctrl-C in a terminal reaches us and npm, which passes it on: within so long it is one and the same. */
const ONE_SIGNAL = 1_000;

const screen = new Screen();
const { settings, problems } = readStackSettings(process.env, {
  verbose: process.argv.includes('--verbose'),
  brokers: brokersOf(process.argv),
  connect: process.argv.includes('--connect'),
});
const supervisor = new Supervisor(settings, screen);
let stoppingSince: number | undefined;

// Whatever ends us, nothing stays behind. (Nothing runs here on `kill -9`: the next start ends what that leaves.)
process.on('exit', () => supervisor.kill());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => onSignal());
// `npm start` whose npm was killed has no terminal and nobody who could stop it any more.
if (process.env['npm_lifecycle_event'] === 'start') {
  const npm = process.ppid;
  setInterval(() => {
    if (process.ppid !== npm && stoppingSince === undefined) onSignal();
  }, 250).unref();
}
process.on('uncaughtException', (error) => {
  screen.complain(error.stack ?? error.message);
  void stop(1);
});

/** `--cluster` is three brokers, `--cluster=4` four; without it there is one. What is no number becomes a problem later. */
function brokersOf(flags: readonly string[]): number {
  const flag = flags.find((each) => each === '--cluster' || each.startsWith('--cluster='));
  return flag === undefined ? 1 : Number(flag.split('=')[1] ?? 3);
}

function onSignal(): void {
  if (stoppingSince === undefined) {
    screen.say('stopping (once more to stop at once)');
    void stop(0);
  } else if (performance.now() - stoppingSince > ONE_SIGNAL) {
    screen.complain('stopped at once');
    process.exit(1);
  }
}

async function stop(code: number): Promise<void> {
  if (stoppingSince !== undefined) return;
  stoppingSince = performance.now();
  setTimeout(() => {
    screen.complain(`not everything has stopped within ${STOP_LIMIT / 1_000} s: killed`);
    process.exit(1);
  }, STOP_LIMIT).unref();
  await supervisor.stop();
  screen.say(`stopped (${((performance.now() - stoppingSince) / 1_000).toFixed(1)} s)`);
  process.exit(code);
}

try {
  const began = performance.now();
  const secrets = await supervisor.start(problems);
  if (stoppingSince === undefined) screen.plain(summary(settings, secrets, (performance.now() - began) / 1_000));
} catch (error) {
  if (stoppingSince === undefined) {
    if (error instanceof CannotStart) {
      screen.complain('cannot start:');
      for (const problem of error.problems) screen.complain(`  - ${problem}`);
    } else screen.complain(error instanceof Error ? error.message : String(error));
    // Nothing was started, and the stack of another supervisor is not ours to stop.
    if (error instanceof AlreadyRunning || error instanceof CannotStart) process.exit(1);
    await stop(1);
  }
}
