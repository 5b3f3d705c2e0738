import type { Logger } from './logger.js';

/**
 * Ends the process on an error that nobody handled: its state can no longer be trusted, and whoever runs it starts it
 * again. The exit code is 1.
 */
export function onFatal(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'an exception was not caught: the process ends');
    process.exit(1);
  });
  process.on('unhandledRejection', (reason) => {
    logger.fatal({ err: reason }, 'a rejection was not handled: the process ends');
    process.exit(1);
  });
}
