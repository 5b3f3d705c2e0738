import type { LoggerService } from '@nestjs/common';
import { pino, type DestinationStream, type Logger } from 'pino';
import { errorFields } from './error-fields.js';

export type { Logger } from 'pino';

/** Names whose values never belong in a log, at the top of a line or one level down. */
const SECRET_NAMES = ['authorization', 'password', 'key', 'apiKey', 'secret', 'token', 'cookie'];
const REDACTED = '[redacted]';

/**
 * Secrets that sit inside longer strings, where no field name gives them away: credentials of a URL in a driver's error
 * message, a bearer token in a copied header, one of our API keys, a webhook signing secret.
 */
const SECRETS_IN_TEXT: readonly (readonly [RegExp, string])[] = [
  [/:\/\/[^\s:@/"\\]*:[^\s@/"\\]+@/g, `://${REDACTED}@`],
  [/\bBearer +[^\s"\\]+/gi, `Bearer ${REDACTED}`],
  [/\bbongsu_[A-Za-z0-9_-]{43}/g, REDACTED],
  [/\bwhsec_[A-Za-z0-9+/=_-]+/g, REDACTED],
];

/**
 * One JSON line per event on standard output, with `service` in each. Values under a secret's name are replaced, and each
 * finished line is searched once more for secrets inside text, since an error's message is written by somebody else.
 * @param destination where lines go instead of standard output; for tests.
 */
export function createLogger(service: string, level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    base: { service },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: errorFields },
    redact: { paths: SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `headers.${name}`]), censor: REDACTED },
    hooks: { streamWrite: withoutSecrets },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** Replaces every secret that can be told by its form; the rest of the text stays as it is. */
export function withoutSecrets(text: string): string {
  let result = text;
  for (const [pattern, replacement] of SECRETS_IN_TEXT) result = result.replace(pattern, replacement);
  return result;
}

/** Lets Nest log through pino: `app.useLogger(new NestLogger(logger))`. Nest passes the context as the last parameter. */
export class NestLogger implements LoggerService {
  private readonly logger: Logger;
  constructor(logger: Logger) {
    this.logger = logger;
  }
  log(message: unknown, ...rest: unknown[]): void {
    // Nest's start-up lines (one per route and module) are of use to nobody who runs the service.
    this.write('debug', message, rest);
  }
  error(message: unknown, ...rest: unknown[]): void {
    this.write('error', message, rest);
  }
  warn(message: unknown, ...rest: unknown[]): void {
    this.write('warn', message, rest);
  }
  debug(message: unknown, ...rest: unknown[]): void {
    this.write('debug', message, rest);
  }
  verbose(message: unknown, ...rest: unknown[]): void {
    this.write('trace', message, rest);
  }
  fatal(message: unknown, ...rest: unknown[]): void {
    this.write('fatal', message, rest);
  }

  private write(level: 'fatal' | 'error' | 'warn' | 'debug' | 'trace', message: unknown, rest: unknown[]): void {
    const context = typeof rest.at(-1) === 'string' ? rest.at(-1) : undefined;
    const stack = rest.length > 1 && typeof rest[0] === 'string' ? rest[0] : undefined;
    const fields = { ...(context === undefined ? {} : { context }), ...(stack === undefined ? {} : { stack }) };
    if (message instanceof Error) this.logger[level]({ ...fields, err: message }, message.message);
    else this.logger[level](fields, typeof message === 'string' ? message : JSON.stringify(message));
  }
}
