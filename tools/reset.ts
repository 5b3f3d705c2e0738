import { AlreadyRunning, deleteHome } from './supervisor/home.ts';
import { readStackSettings } from './supervisor/stack-settings.ts';

/** Deletes what the local stack keeps: notifications, topics, the audit trail, keys and logs. */
const { home } = readStackSettings(process.env).settings;
try {
  console.log((await deleteHome(home)) ? `deleted ${home}` : `there is nothing to delete in ${home}`);
} catch (error) {
  console.error(
    error instanceof AlreadyRunning
      ? `the stack is running (process ${error.pid}): stop it first`
      : String(error instanceof Error ? error.message : error),
  );
  process.exitCode = 1;
}
