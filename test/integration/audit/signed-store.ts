import { generateKeyPairSync } from 'node:crypto';
import {
  chainName,
  CompactRange,
  formatCheckpoint,
  recordsOf,
  signNote,
  SigningKey,
  type Query,
  type VerifierKey,
} from '@bongsu/audit-chain';
import type { Owner } from './database.js';

const LOG = 'audit.example.org';

export const newSigner = (): SigningKey => new SigningKey(LOG, generateKeyPairSync('ed25519').privateKey);

/**
 * Puts checkpoints into a store as the service would, of the given sizes (up to the chain's), and gives their notes. The
 * first one announces the key that follows, when there is one.
 */
export async function signChain(
  owner: Pick<Owner, 'query'>,
  place: { topic: string; partition: number },
  sizes: readonly number[],
  signer: SigningKey,
  nextKey?: VerifierKey,
): Promise<string[]> {
  const { topic, partition } = place;
  const query: Query = (sql, values) => owner.query(sql, values);
  const tree = new CompactRange();
  const notes: string[] = [];
  for await (const { hash } of recordsOf(query, topic, partition)) {
    tree.append(hash);
    if (!sizes.includes(tree.size)) continue;
    const announced = nextKey && notes.length === 0 ? { nextKey } : {};
    const said = { log: LOG, topic, partition, size: tree.size, root: tree.root(), head: hash };
    const note = signNote(formatCheckpoint({ ...said, ...announced }), signer);
    await owner.query(
      `INSERT INTO checkpoints (topic, partition, size, root, peaks, note, signed_ms) VALUES ($1, $2, $3, $4, '', $5, 0)
       ON CONFLICT (topic, partition, size) DO UPDATE SET root = excluded.root, note = excluded.note`,
      [topic, partition, tree.size, tree.root(), note],
    );
    notes.push(note);
  }
  if (notes.length !== sizes.length)
    throw new Error(`${chainName(topic, partition)} has no ${sizes.join(', ')} records`);
  return notes;
}
