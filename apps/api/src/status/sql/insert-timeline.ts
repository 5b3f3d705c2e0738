/** Adds entries to timelines. An event has one entry, however often its record comes. */
export const INSERT_TIMELINE = {
  name: 'status_insert_timeline',
  text: `
    INSERT INTO timeline (notification_id, event_id, tenant, at, position, entry)
    SELECT notification_id, event_id, tenant, at, position, entry::json
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[])
             AS r (notification_id, event_id, tenant, at, position, entry)
     ORDER BY notification_id, event_id
    ON CONFLICT DO NOTHING`,
};
