import { createPrivateKey, createPublicKey, hash, sign, type KeyObject } from 'node:crypto';
import { seeded } from '@bongsu/testing';
import { encodeHeaders } from '../../encoding.js';
import { exportLine } from '../../export-line.js';
import { GAP_HEADERS, gapPayload } from '../../gap.js';
import { labelsOf } from '../../labels.js';
import { chainName, digestPayload, GENESIS, hashRecord } from '../../record.js';
import type { StoredRecord } from '../chain-verifier.js';

/** The same in every run. */
export const random = seeded(20_261_121);
export const below = (limit: number): number => Math.floor(random() * limit);
export const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;
export const randomBuffer = (size: number): Buffer => Buffer.from(Array.from({ length: size }, () => below(256)));

/** Who speaks in the checkpoints, and what the keys are named after. */
const LOG = 'audit.example.org';

class Signer {
  readonly text: string;
  readonly #id: Buffer;
  readonly #name: string;
  readonly #key: KeyObject;
  constructor(name: string) {
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), randomBuffer(32)]);
    this.#key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
    const spki = createPublicKey(this.#key).export({ format: 'der', type: 'spki' });
    const typed = Buffer.concat([Buffer.from([1]), spki.subarray(-32)]);
    this.#id = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed]), 'buffer').subarray(0, 4);
    this.#name = name;
    this.text = `${name}+${this.#id.toString('hex')}+${typed.toString('base64')}`;
  }
  note(text: string): string {
    const signature = Buffer.concat([this.#id, sign(null, Buffer.from(text), this.#key)]).toString('base64');
    return `${text}\n— ${this.#name} ${signature}\n`;
  }
}
/** The key that a verifier is given, the one that it announces, and one of somebody else with the first one's name. */
export const [old, current, forger] = [new Signer(LOG), new Signer(LOG), new Signer(LOG)];

/** RFC 6962's definition, literally; the verifier grows its tree another way. */
function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 0) return hash('sha256', '', 'buffer');
  if (hashes.length === 1) return hash('sha256', Buffer.concat([Buffer.from([0]), hashes[0]!]), 'buffer');
  const half = 2 ** Math.floor(Math.log2(hashes.length - 1));
  return hash(
    'sha256',
    Buffer.concat([Buffer.from([1]), rootOf(hashes.slice(0, half)), rootOf(hashes.slice(half))]),
    'buffer',
  );
}

export const COUNT = 40;
export const SIZES = [7, 16, 25, COUNT];

function chainOf(topic: string, partition: number): StoredRecord[] {
  const records: StoredRecord[] = [];
  const offsets = Array.from({ length: COUNT }, (_, i) => BigInt(i < 12 ? i : i < 30 ? i + 5 : i - 30));
  for (const [i, offset] of offsets.entries()) {
    // #12 tells of a gap, #30 of a topic that was made anew; both are followed by the record that showed it.
    const broken = i === 11 ? ('gap' as const) : i === 29 ? ('reset' as const) : undefined;
    const got = offsets[i + 1] ?? 0n;
    const payload = broken
      ? gapPayload({ kind: broken, expected: offsets[i - 1]! + 1n, got })
      : i === 20
        ? null
        : Buffer.from(JSON.stringify({ tenant: 'acme', recipientId: `user-${i}`, body: 'x'.repeat(below(60)) }));
    const headers = broken
      ? GAP_HEADERS
      : encodeHeaders([
          ['ce_id', Buffer.from(`event-${i}`)],
          ['ce_type', Buffer.from('t.v1')],
          ['ce_subject', Buffer.from(`n-${i}`)],
        ]);
    const salt = randomBuffer(32);
    records.push({
      kind: broken ? 'gap' : 'record',
      topic,
      partition,
      sequence: BigInt(i + 1),
      offset: broken ? got - 1n : offset,
      epoch: i >= 29 ? 1 : 0,
      timestampMs: BigInt(1_764_115_200_000 + i),
      key: broken || i === 22 ? null : Buffer.from(`acme/user-${i}`),
      headers,
      payload,
      salt,
      payloadDigest: digestPayload(salt, payload),
      hash: GENESIS,
      ...labelsOf(headers, payload),
    });
  }
  return rechained(records).map((record, i) => (i % 9 === 4 && record.kind === 'record' ? erased(record) : record));
}

/** What erasing leaves: the tenant only where the key says it, too. */
export const erased = (record: StoredRecord): StoredRecord => ({
  ...record,
  payload: null,
  salt: null,
  recipient: null,
  tenant: record.key === null ? null : record.tenant,
});

/** As one who owns the store would do after a change: every hash computed again. */
export function rechained(records: readonly StoredRecord[]): StoredRecord[] {
  let previous = GENESIS;
  return records.map((record) => ({ ...record, hash: (previous = hashRecord(record, previous)) }));
}

export const checkpointText = (records: readonly StoredRecord[], size: number, more = ''): string => {
  const { topic, partition } = records[0]!;
  const hashes = records.slice(0, size).map((record) => record.hash);
  const head = hashes.at(-1)!.toString('base64');
  return `${LOG}/${chainName(topic, partition)}\n${size}\n${rootOf(hashes).toString('base64')}\nchain ${head}\n${more}`;
};

export const CHAINS = [
  chainOf('notification.events.v1', 0),
  chainOf('notification.events.v1', 1),
  chainOf('notification.requests.normal.v1', 0),
];
/** The old key signs the first two of each chain and announces the next one; that signs the rest. */
export const signedBy = (signer: Signer, records: readonly StoredRecord[], size: number, more = ''): string =>
  signer.note(checkpointText(records, size, more));
const notesOf = (records: readonly StoredRecord[]): string[] =>
  SIZES.map((size, i) => signedBy(i < 2 ? old : current, records, size, i === 1 ? `next-key ${current.text}\n` : ''));
export const NOTES = CHAINS.map(notesOf);
export const KEPT = NOTES.flat();

export type Line = Record<string, unknown>;
export const linesOf = (records: readonly StoredRecord[]): Line[] =>
  records.map((record) => ({ ...exportLine(record) }));
export const CLEAN = CHAINS.map(linesOf);
export const textOf = (chains: readonly (readonly Line[])[], notes: readonly string[] = KEPT): string[] =>
  chains.flat().map((line, i) => JSON.stringify(i === 0 ? { ...line, checkpoints: notes } : line));
