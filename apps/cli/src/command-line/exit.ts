/** What the process says to the shell; documented in the README of the CLI and kept stable for scripts. */
export const EXIT = {
  /** It was done, and all is well. */
  ok: 0,
  /** It was done or answered, and the answer is bad: not delivered, verify failed, drift, refused by the API. */
  failed: 1,
  /** The command line or a variable is wrong; nothing was done. */
  usage: 2,
  /** A service could not be reached, is not ready, or did not accept the key. */
  unreachable: 3,
  /** The reader of our output went away (128 + SIGPIPE, as shells report it), so the verdict may not have been read. */
  brokenPipe: 141,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with a message on stderr and that exit code. */
export class CommandFailure extends Error {
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'CommandFailure';
    this.exitCode = exitCode;
  }
}

/** The command line cannot be understood: the help of the command follows the message. */
export class UsageError extends CommandFailure {
  constructor(message: string, options?: { cause?: unknown }) {
    super(EXIT.usage, message, options);
    this.name = 'UsageError';
  }
}
