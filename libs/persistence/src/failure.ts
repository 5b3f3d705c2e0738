import { BongsuError } from '@bongsu/contracts';

/**
 * SQLSTATE classes that blame the data: 21 cardinality, 22 data exception, 23 integrity constraint, 54 a limit of the row.
 * Everything else PostgreSQL can say (connections, resources, locks, shutdown, rights, a schema that is not there yet) is
 * about the installation, and waiting for it is right where giving up on a record would lose it.
 */
const DATA_CLASSES = new Set(['21', '22', '23', '54']);

const SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
]);

/** pg reports these without a code. */
const MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|Cannot use a pool after|Client was closed|not queryable/i;

/**
 * Whether an error says that something around us is away or overloaded, so that the same work may succeed later
 * unchanged. Looks through `cause` and TypeORM's `driverError`. False for everything unknown: a bug in a handler must not
 * look like an outage.
 */
export function isInfrastructureError(error: unknown): boolean {
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < 5; depth++) {
    if (current instanceof BongsuError) return current.retryable;
    const { code, driverError, retriable } = current as { code?: unknown; driverError?: unknown; retriable?: unknown };
    if (typeof code === 'string') {
      if (SYSTEM_CODES.has(code)) return true;
      if (/^[0-9A-Z]{5}$/.test(code) && 'severity' in current) return !DATA_CLASSES.has(code.slice(0, 2));
    }
    if (current.name.startsWith('KafkaJS') && retriable !== false) return true;
    if (MESSAGES.test(current.message)) return true;
    current = driverError instanceof Error ? driverError : current.cause;
  }
  return false;
}
