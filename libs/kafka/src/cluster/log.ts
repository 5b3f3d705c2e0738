import type { LogEntry } from 'kafkajs';
import { logLevel } from './kafkajs.js';
import type { Logger } from '@bongsu/observability';

/** While a broker is away kafkajs says so several times a second; the same line is kept for this long, milliseconds. */
const REPEAT_AFTER_MS = 30_000;
const MAX_REMEMBERED = 200;

/**
 * Hands kafkajs' log lines to ours. Its `error` means "failed, trying again" nearly always, so it becomes `warn`; what
 * is final reaches us as a rejection or an event and is logged where it is handled. Fields are picked by name, because
 * its payloads may hold records.
 */
export function kafkaLogCreator(logger: Logger, onEntry?: (entry: LogEntry) => void): () => (entry: LogEntry) => void {
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
    const line = `${entry.namespace}|${message}|${String(broker)}`;
    const now = Date.now();
    if (now - (lastLogged.get(line) ?? -Infinity) < REPEAT_AFTER_MS) return;
    if (lastLogged.size >= MAX_REMEMBERED) lastLogged.clear();
    lastLogged.set(line, now);
    logger.warn(fields, message);
  };
}

function definedStrings(fields: Record<string, unknown>): Record<string, string> {
  const strings: Record<string, string> = {};
  for (const [name, value] of Object.entries(fields)) if (typeof value === 'string') strings[name] = value;
  return strings;
}
