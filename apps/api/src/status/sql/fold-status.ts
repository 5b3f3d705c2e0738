/** What a notification's status is folded from; a row per delivery that facts are known of, or one without a delivery. */
export const READ_FOLD = {
  name: 'status_read_fold',
  text: `
    SELECT n.id, n.status, n.channels, n.requested, n.send_at > n.accepted_at AS scheduled, d.channel,
           d.status AS "deliveryStatus"
      FROM notifications n
      LEFT JOIN deliveries d ON d.notification_id = n.id AND d.tenant = n.tenant
     WHERE n.id = ANY($1::uuid[])`,
};

export const WRITE_STATUS = {
  name: 'status_write',
  text: `
    UPDATE notifications n SET status = r.status
      FROM unnest($1::uuid[], $2::text[]) AS r (id, status) WHERE n.id = r.id`,
};
