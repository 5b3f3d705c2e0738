import { ERASED } from '@bongsu/contracts';
import type { Statement } from '@bongsu/persistence';

/** What senders said of a person and to a person, of notifications ($1). What happened to them, and when, stays. */
export const ERASE_NOTIFICATIONS: Statement = {
  name: 'erasure_notifications',
  text: `
    UPDATE notifications
       SET recipient = json_build_object('id', recipient_id), subject = NULL, metadata = NULL, erased_at = now()
     WHERE id = ANY($1::uuid[])`,
};

/** Providers' messages repeat addresses, and what receivers answered. Their codes are ours. */
export const ERASE_ATTEMPTS: Statement = {
  name: 'erasure_attempts',
  text: `
    UPDATE attempts SET error = json_build_object('code', error -> 'code', 'message', '${ERASED}')
     WHERE notification_id = ANY($1::uuid[]) AND error IS NOT NULL`,
};

export const ERASE_DEAD_LETTERS: Statement = {
  name: 'erasure_dead_letters',
  text: `
    UPDATE deliveries SET error_message = '${ERASED}' WHERE notification_id = ANY($1::uuid[]) AND error_message IS NOT NULL`,
};

export const ERASE_TIMELINE: Statement = {
  name: 'erasure_timeline',
  text: `
    UPDATE timeline SET entry = jsonb_set(entry::jsonb, '{attempt,error,message}', '"${ERASED}"')::json
     WHERE notification_id = ANY($1::uuid[]) AND entry #> '{attempt,error,message}' IS NOT NULL`,
};
