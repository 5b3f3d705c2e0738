/**
 * Takes the rows of these ids for the rest of the transaction, making placeholders where the request has not been read yet:
 * this transaction and the one that writes the request take turns on the primary key, whichever comes first.
 * DO UPDATE … WHERE false changes no row and locks it all the same. One sorted statement does both, so that two
 * transactions with some of the same ids wait for one another instead of dead-locking.
 */
export const HOLD_NOTIFICATIONS = {
  name: 'status_hold',
  text: `
    INSERT INTO notifications AS n (id, tenant, status, requested, placeheld, accepted_at)
    SELECT id, tenant, 'accepted', false, true, at
      FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS r (id, tenant, at) ORDER BY id
    ON CONFLICT (id) DO UPDATE SET requested = n.requested WHERE false`,
};

/** Notes the first cancellation that was asked for. */
export const NOTE_CANCELLATION = {
  name: 'status_note_cancellation',
  text: `
    UPDATE notifications n SET cancel_requested_at = r.at
      FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS r (id, tenant, at)
     WHERE n.id = r.id AND n.tenant = r.tenant AND n.cancel_requested_at IS NULL`,
};
