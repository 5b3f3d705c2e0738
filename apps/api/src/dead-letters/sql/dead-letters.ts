/** Which dead letters are meant. Times are when they died: `from` included, `to` not. */
export interface DeadLetterFilter {
  readonly tenant: string;
  readonly recipient?: string | undefined;
  readonly channel?: string | undefined;
  /** A notification's id. */
  readonly notification?: string | undefined;
  /** The code of the last attempt's error. */
  readonly reason?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
}

/** Where a page begins: after this dead letter. */
export interface DeadLetterPlace {
  readonly deadAt: Date;
  readonly id: string;
}

interface Query {
  readonly text: string;
  readonly values: unknown[];
}

/**
 * Written for the filters that are given: a plan for "any of them, or none" would use no index. One whose key is not known
 * (it died before keys were kept here, and its request is gone) could not be redriven, so it is not there at all.
 */
function where(filter: DeadLetterFilter): {
  conditions: string[];
  values: unknown[];
  value: (given: unknown) => string;
} {
  const values: unknown[] = [filter.tenant];
  const value = (given: unknown): string => `$${values.push(given)}`;
  const conditions = [
    `d.tenant = $1 AND d.status = 'dead' AND d.key IS NOT NULL`,
    ...(filter.recipient === undefined ? [] : [`d.recipient_id = ${value(filter.recipient)}`]),
    ...(filter.channel === undefined ? [] : [`d.channel = ${value(filter.channel)}`]),
    ...(filter.notification === undefined ? [] : [`d.notification_id = ${value(filter.notification)}::uuid`]),
    ...(filter.reason === undefined ? [] : [`d.error_code = ${value(filter.reason)}`]),
    ...(filter.from === undefined ? [] : [`d.updated_at >= ${value(filter.from)}`]),
    ...(filter.to === undefined ? [] : [`d.updated_at < ${value(filter.to)}`]),
  ];
  return { conditions, values, value };
}

export interface DeadLetterRow {
  readonly deliveryId: string;
  readonly notificationId: string;
  readonly recipient: string;
  readonly channel: string;
  readonly provider: string | null;
  readonly attempts: number | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly reason: string | null;
  readonly deadAt: Date;
  readonly priority: string | null;
}

/** Newest first. */
export function listDeadLetters(filter: DeadLetterFilter, limit: number, after?: DeadLetterPlace): Query {
  const { conditions, values, value } = where(filter);
  if (after) conditions.push(`(d.updated_at, d.id) < (${value(after.deadAt)}::timestamptz, ${value(after.id)}::uuid)`);
  const text = `
    SELECT d.*, n.priority
      FROM (
        SELECT d.id AS "deliveryId", d.notification_id AS "notificationId", d.recipient_id AS recipient, d.channel, d.provider,
               d.attempts::float8 AS attempts, d.error_code AS "errorCode", d.error_message AS "errorMessage", d.reason,
               d.updated_at AS "deadAt"
          FROM deliveries d WHERE ${conditions.join(' AND ')}
         ORDER BY d.updated_at DESC, d.id DESC LIMIT ${value(limit)}) d
      LEFT JOIN notifications n ON n.id = d."notificationId" AND n.tenant = $1 AND n.requested
     ORDER BY d."deadAt" DESC, d."deliveryId" DESC`;
  return { text, values };
}

/** How many there are, up to `most`. */
export function countDeadLetters(filter: DeadLetterFilter, most: number): Query {
  const { conditions, values, value } = where(filter);
  const text = `
    SELECT count(*)::float8 AS matched
      FROM (SELECT 1 FROM deliveries d WHERE ${conditions.join(' AND ')} LIMIT ${value(most)}) m`;
  return { text, values };
}

/** What a command to redrive a dead letter holds of it. */
export interface RedrivableRow {
  readonly id: string;
  readonly notificationId: string;
  readonly channel: string;
  readonly key: string;
  readonly version: number;
  readonly deadAt: Date;
}

/** Those that have been dead for longest first, up to and with `until`. */
export function nextToRedrive(
  filter: DeadLetterFilter,
  limit: number,
  until: DeadLetterPlace,
  after?: DeadLetterPlace,
): Query {
  const { conditions, values, value } = where(filter);
  conditions.push(`(d.updated_at, d.id) <= (${value(until.deadAt)}::timestamptz, ${value(until.id)}::uuid)`);
  if (after) conditions.push(`(d.updated_at, d.id) > (${value(after.deadAt)}::timestamptz, ${value(after.id)}::uuid)`);
  const text = `
    SELECT d.id, d.notification_id AS "notificationId", d.channel, d.key, d.version::float8 AS version,
           d.updated_at AS "deadAt"
      FROM deliveries d WHERE ${conditions.join(' AND ')}
     ORDER BY d.updated_at, d.id LIMIT ${value(limit)}`;
  return { text, values };
}
