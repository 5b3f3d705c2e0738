import type { Statement } from '@bongsu/persistence';

/** The head of a chain, locked until the transaction ends: of two writers of one chain, the second sees what the first did. */
export const LOCK_HEAD: Statement = {
  name: 'audit_lock_head',
  text: 'SELECT topic, partition, sequence, hash, next_offset, epoch FROM chains WHERE topic = $1 AND partition = $2 FOR UPDATE',
};

/** A chain before its first record. Waits for another transaction that begins the same chain. */
export const BEGIN_CHAIN: Statement = {
  name: 'audit_begin_chain',
  text: 'INSERT INTO chains (topic, partition, sequence, hash, next_offset, epoch) VALUES ($1, $2, 0, $3, 0, 0) ON CONFLICT DO NOTHING',
};

export const MOVE_HEAD: Statement = {
  name: 'audit_move_head',
  text: 'UPDATE chains SET sequence = $3, hash = $4, next_offset = $5, epoch = $6 WHERE topic = $1 AND partition = $2',
};
