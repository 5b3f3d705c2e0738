import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';

/** What is signed, and by whom it says that it is (C2SP signed-note). */
export interface SignedNote {
  readonly text: string;
  readonly signatures: readonly { readonly name: string; readonly id: string; readonly signature: Buffer }[];
}

/** A checkpoint's text, read (C2SP tlog-checkpoint; docs/audit-format.md "Checkpoints"). */
export interface CheckpointText {
  /** `<topic>/<partition>`. */
  readonly chain: string;
  readonly size: bigint;
  readonly root: Buffer;
  /** The linked hash of the last record, where it is said. */
  readonly head: Buffer | undefined;
  readonly nextKeys: readonly string[];
}

const ED25519 = 1;
const ID_BYTES = 4;
/** What DER puts before the 32 bytes of an Ed25519 public key (RFC 8410). */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** A key that signatures are checked with: `<name>+<key id>+<base64 of 0x01 and the public key>`. */
export class VerifierKey {
  readonly text: string;
  readonly name: string;
  readonly id: string;
  readonly #public: KeyObject;

  /** @throws SyntaxError for text that is no such key, or whose key id is not that of the key */
  constructor(text: string) {
    const [, name, id, base64] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text.trim()) ?? [];
    if (name === undefined || id === undefined || base64 === undefined)
      throw new SyntaxError('A verifier key is <name>+<key id>+<base64>');
    const bytes = Buffer.from(base64, 'base64');
    const expected = hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), bytes]), 'buffer').subarray(0, ID_BYTES);
    if (bytes.length !== 33 || bytes[0] !== ED25519 || expected.toString('hex') !== id)
      throw new SyntaxError('The verifier key is not an Ed25519 key with its own key id');
    this.text = text.trim();
    this.name = name;
    this.id = id;
    this.#public = createPublicKey({ key: Buffer.concat([SPKI, bytes.subarray(1)]), format: 'der', type: 'spki' });
  }

  signed(note: SignedNote): boolean {
    return note.signatures.some(
      ({ name, id, signature }) =>
        name === this.name && id === this.id && verify(null, Buffer.from(note.text), this.#public, signature),
    );
  }
}

/** @throws SyntaxError for text that is no signed note */
export function parseSignedNote(note: string): SignedNote {
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n')) throw new SyntaxError('A checkpoint without signatures');
  const signatures = note
    .slice(end + 2, -1)
    .split('\n')
    .map((line) => {
      const [, name, base64] = /^— ([^\s+]+) ([A-Za-z0-9+/]+=*)$/.exec(line) ?? [];
      const bytes = Buffer.from(base64 ?? '', 'base64');
      if (name === undefined || bytes.length <= ID_BYTES) throw new SyntaxError('A signature line that is none');
      return { name, id: bytes.subarray(0, ID_BYTES).toString('hex'), signature: bytes.subarray(ID_BYTES) };
    });
  return { text: note.slice(0, end + 1), signatures };
}

/** @throws SyntaxError for a text that is no checkpoint of a chain */
export function readCheckpoint(text: string): CheckpointText {
  const [origin, size, root, ...more] = text.slice(0, -1).split('\n');
  const chain = /(?:^|\/)([^/\s]+\/\d{1,9})$/.exec(origin ?? '')?.[1];
  if (chain === undefined || size === undefined || !/^(?:0|[1-9]\d{0,15})$/.test(size))
    throw new SyntaxError('A checkpoint that names no chain or no size');
  const said = (name: string): string[] =>
    more.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  const [head] = said('chain');
  return {
    chain,
    size: BigInt(size),
    root: hashOf(root ?? ''),
    head: head === undefined ? undefined : hashOf(head),
    nextKeys: said('next-key'),
  };
}

function hashOf(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== 32 || bytes.toString('base64') !== base64) throw new SyntaxError('A checkpoint with a bad hash');
  return bytes;
}

/** The notes of a file of checkpoints, one after the other; empty lines between them do not count. */
export function notesIn(text: string): string[] {
  return text.match(/[^\n][^]*?\n\n(?:— [^\n]*\n)+/g) ?? [];
}
