import type { SigningKey } from './signing-key.js';
import type { VerifierKey } from './verifier-key.js';

/** Of C2SP's signed-note: an em dash (U+2014) begins a line of a signature. */
const SIGNATURE_LINE = /^\u2014 (?<name>[^\s+\p{C}]+) (?<base64>[A-Za-z0-9+/]+={0,2})$/u;
const KEY_ID_BYTES = 4;
const SIGNATURE_BYTES = 64;
/** Neither ours nor a hostile note makes a verifier work for long: each known key is tried once per line. */
const MAX_SIGNATURES = 16;
const MAX_CHARACTERS = 1_000_000;

export interface NoteSignature {
  readonly name: string;
  /** 4 bytes. */
  readonly keyId: Buffer;
  /** Of a length of its own for types of signatures that we do not know. */
  readonly signature: Buffer;
}

/** A text with signatures over it (C2SP signed-note). */
export interface Note {
  /** What is signed, with the line feed at its end. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** @throws SyntaxError for text that is no signed note */
export function parseNote(note: string): Note {
  const border = note.lastIndexOf('\n\n');
  if (border === -1 || note.length > MAX_CHARACTERS)
    throw new SyntaxError('A note is a text, an empty line and signatures');
  if (!note.endsWith('\n')) throw new SyntaxError('The note does not end with a line feed');
  // eslint-disable-next-line no-control-regex -- those are what a note may not have
  if (/[\u0000-\u0009\u000b-\u001f\u007f]/.test(note)) throw new SyntaxError('A note has no control characters');
  const lines = note.slice(border + 2, -1).split('\n');
  if (lines.length > MAX_SIGNATURES) throw new SyntaxError('The note has too many signatures');
  return { text: note.slice(0, border + 1), signatures: lines.map(signatureIn) };
}

function signatureIn(line: string): NoteSignature {
  const { name, base64 } = SIGNATURE_LINE.exec(line)?.groups ?? {};
  if (name === undefined || base64 === undefined) throw new SyntaxError('A line is no signature');
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.toString('base64') !== base64 || bytes.length <= KEY_ID_BYTES)
    throw new SyntaxError('A signature is not base64 of a key id and a signature');
  return { name, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

/**
 * Signs a text with each of the keys.
 * @throws SyntaxError for a text that does not end with a line feed, or has an empty line at its end
 */
export function signNote(text: string, ...keys: readonly [SigningKey, ...SigningKey[]]): string {
  const lines = keys.map((key) => {
    const signature = Buffer.concat([key.verifier.id, key.sign(text)]);
    return `\u2014 ${key.verifier.name} ${signature.toString('base64')}\n`;
  });
  const note = `${text}\n${lines.join('')}`;
  if (parseNote(note).text !== text) throw new SyntaxError('The text cannot be that of a note');
  return note;
}

/**
 * Which of the keys signed the note; none of them: nobody that the caller knows vouches for it. A signature of a known key
 * that does not hold makes the whole note void, as signed-note demands: then none.
 */
export function verifyNote(note: Note, keys: Iterable<VerifierKey>): VerifierKey[] {
  const known = [...keys];
  const signers: VerifierKey[] = [];
  for (const { name, keyId, signature } of note.signatures) {
    const candidates = known.filter((key) => key.name === name && key.id.equals(keyId));
    if (candidates.length === 0) continue; // of somebody else, or of a type that is not ours
    const signer = candidates.find((key) => signature.length === SIGNATURE_BYTES && key.signed(note.text, signature));
    if (!signer) return [];
    if (!signers.includes(signer)) signers.push(signer);
  }
  return signers;
}

/**
 * The notes of a file of notes, which stand one behind the other, with or without empty lines between; what is behind the
 * last complete one is given too, for the caller to see that it is none.
 */
export function* splitNotes(text: string): Generator<string> {
  let note = '';
  let signed = false;
  for (const line of text.match(/[^\n]*(?:\n|$)/g) ?? []) {
    const isSignature = line.startsWith('\u2014 ');
    if (signed && !isSignature) {
      yield note;
      note = '';
    }
    if (note !== '' || (line !== '\n' && line !== '')) note += line;
    signed = isSignature;
  }
  if (note !== '') yield note;
}
