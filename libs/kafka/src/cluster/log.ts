import type { LogEntry } from 'kafkajs';
import { logLevel } from './kafkajs.js';
import type { Logger } from '@bongsu/observability';
import { refusalIn } from './refusals.js';

/** While a broker is away kafkajs says so several times a second; the same line is kept for this long, milliseconds. */
const REPEAT_AFTER_MS = 30_000;
const MAX_REMEMBERED = 200;
/** When each refusal was last said, by this process: each of its half a dozen clients meets the same one. */
const refusalsSaid = new Map<string, number>();

/**
 * Hands kafkajs' log lines to ours. Its `error` means "failed, trying again" nearly always, so it becomes `warn`; what
 * is final reaches us as a rejection or an event and is logged where it is handled. Fields are picked by name, because
 * its payloads may hold records. What somebody has to mend is an `error`, said every 30 s for as long as it lasts.
 * @param user who logs in
 */
export function kafkaLogCreator(
  logger: Logger,
  { user, onEntry }: { user?: string | undefined; onEntry?: ((entry: LogEntry) => void) | undefined } = {},
): () => (entry: LogEntry) => void {
  const lastLogged = new Map<string, number>();
  return () => (entry) => {
    onEntry?.(entry);
    const { message, broker, topic, partition, groupId, error } = entry.log as Record<string, unknown> & {
      message: string;
    };
    const fields = {
      kafkajs: entry.namespace,
      ...definedStrings({ broker, topic, groupId, error }),
      ...(typeof partition === 'number' ? { partition } : {}),
    };
    if (entry.level > logLevel.WARN) {
      logger.debug(fields, message);
      return;
    }
    const address = typeof broker === 'string' ? broker : undefined;
    const refusal = refusalIn(`${message} ${typeof error === 'string' ? error : ''}`.trim(), { broker: address, user });
    if (refusal) {
      // Without an address it is the same again, told by a layer above the connection.
      if (address && isDue(refusalsSaid, refusal)) logger.error(fields, refusal);
      else logger.debug(fields, message);
      return;
    }
    if (isDue(lastLogged, `${entry.namespace}|${message}|${String(broker)}`)) logger.warn(fields, message);
  };
}

/** Whether the line was not logged for a while; notes that it is now. */
function isDue(lastLogged: Map<string, number>, line: string): boolean {
  const now = Date.now();
  if (now - (lastLogged.get(line) ?? -Infinity) < REPEAT_AFTER_MS) return false;
  if (lastLogged.size >= MAX_REMEMBERED) lastLogged.clear();
  lastLogged.set(line, now);
  return true;
}

function definedStrings(fields: Record<string, unknown>): Record<string, string> {
  const strings: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) if (typeof value === 'string') strings[name] = value;
  return strings;
}
