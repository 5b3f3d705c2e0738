const COLUMNS = `
  id, status, key, recipient, recipient_id AS "recipientId", priority, channels, category, ordering_key AS "orderingKey",
  subject, metadata, accepted_at AS "acceptedAt", send_at AS "sendAt", expires_at AS "expiresAt",
  cancel_requested_at AS "cancelRequestedAt"`;

/** Every read names the tenant: another tenant's notification is one that does not exist. */
export const READ_NOTIFICATION = {
  name: 'status_read_notification',
  text: `SELECT ${COLUMNS} FROM notifications WHERE id = $1 AND tenant = $2 AND requested`,
};

export const READ_DELIVERIES = {
  name: 'status_read_deliveries',
  text: `
    SELECT notification_id AS "notificationId", channel, id, status, provider, next_attempt_at AS "nextAttemptAt", reason
      FROM deliveries WHERE notification_id = ANY($1::uuid[]) AND tenant = $2`,
};

export const READ_ATTEMPTS = {
  name: 'status_read_attempts',
  text: `
    SELECT notification_id AS "notificationId", channel, number::float8 AS number, provider, started_at AS "startedAt",
           duration_ms AS "durationMs", outcome, error, failover
      FROM attempts WHERE notification_id = ANY($1::uuid[]) AND tenant = $2
     ORDER BY notification_id, channel, attempts.number`,
};

export const READ_TIMELINE = {
  name: 'status_read_timeline',
  text: `
    SELECT event_id AS "eventId", at, position::text AS position, entry
      FROM timeline
     WHERE notification_id = $1 AND tenant = $2 AND (at, position, event_id) > ($3::timestamptz, $4::bigint, $5::text)
     ORDER BY at, timeline.position, event_id LIMIT $6`,
};

export interface ListFilter {
  readonly tenant: string;
  readonly status?: string | undefined;
  readonly recipient?: string | undefined;
  readonly channel?: string | undefined;
  readonly from?: Date | undefined;
  readonly to?: Date | undefined;
  /** The last row of the page before. */
  readonly after?: { readonly acceptedAt: Date; readonly id: string } | undefined;
  readonly limit: number;
}

/** Written for the filters that are given: a plan for "any of them, or none" would use no index. */
export function listNotifications(filter: ListFilter): { text: string; values: unknown[] } {
  const values: unknown[] = [filter.tenant];
  const value = (given: unknown): string => `$${values.push(given)}`;
  const conditions = [
    'tenant = $1 AND requested',
    ...(filter.status === undefined ? [] : [`status = ${value(filter.status)}`]),
    ...(filter.recipient === undefined ? [] : [`recipient_id = ${value(filter.recipient)}`]),
    ...(filter.channel === undefined ? [] : [`${value(filter.channel)} = ANY(channels)`]),
    ...(filter.from === undefined ? [] : [`accepted_at >= ${value(filter.from)}`]),
    ...(filter.to === undefined ? [] : [`accepted_at < ${value(filter.to)}`]),
    ...(filter.after === undefined
      ? []
      : [`(accepted_at, id) < (${value(filter.after.acceptedAt)}::timestamptz, ${value(filter.after.id)}::uuid)`]),
  ];
  const text = `SELECT ${COLUMNS} FROM notifications WHERE ${conditions.join(' AND ')}
    ORDER BY accepted_at DESC, id DESC LIMIT ${value(filter.limit)}`;
  return { text, values };
}
