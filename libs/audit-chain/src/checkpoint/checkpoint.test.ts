import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, integer, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompactRange } from '../merkle/compact-range.js';
import { verifyConsistency, verifyInclusion } from '../merkle/proofs.js';
import { EMPTY_ROOT, hashLeaf } from '../merkle/tree-hash.js';
import { formatCheckpoint, parseCheckpoint, type Checkpoint } from './checkpoint.js';
import { KeyRing } from './key-ring.js';
import { parseNote, signNote, splitNotes, verifyNote } from './note.js';
import { privateKey, SigningKey } from './signing-key.js';
import { VerifierKey } from './verifier-key.js';

/** The example of Go's golang.org/x/mod/sumdb/note, which C2SP's signed-note describes: key pair, text, and note. */
const PETER = 'PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW';
const PETERS_SEED = Buffer.from('AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz', 'base64')
  .subarray(1)
  .toString('base64');
const TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const NOTE = `${TEXT}\n\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
const SIGNATURE = NOTE.slice(TEXT.length + 1);

const seedOf = (letter: string): string => Buffer.alloc(32, letter).toString('base64');
const keyOf = (letter: string): SigningKey => new SigningKey('bongsu', privateKey(seedOf(letter)));
const first = keyOf('1');
const second = keyOf('2');
const third = keyOf('3');
const CHECKPOINT: Checkpoint = {
  log: 'bongsu',
  topic: 'notification.events.v1',
  partition: 5,
  size: 3,
  root: EMPTY_ROOT,
  head: hashLeaf(Buffer.from('head')),
};
const announcing = (old: SigningKey, next: SigningKey): string =>
  signNote(formatCheckpoint({ ...CHECKPOINT, nextKey: next.verifier, previousKey: old.verifier }), old, next);
const signed = (key: SigningKey): string => signNote(formatCheckpoint(CHECKPOINT), key);

describe('notes', () => {
  it("are Go's, byte for byte", () => {
    const key = new SigningKey('PeterNeumann', privateKey(PETERS_SEED));
    expect(String(key.verifier)).toBe(PETER);
    expect(signNote(TEXT, key)).toBe(NOTE);
    expect(parseNote(NOTE).text).toBe(TEXT);
    expect(verifyNote(parseNote(NOTE), [VerifierKey.parse(PETER)]).map(String)).toEqual([PETER]);
  });

  it('hold no longer when anything in the text or the signature is changed', () => {
    const key = VerifierKey.parse(PETER);
    const places = NOTE.length;
    assert(
      property(integer({ min: 0, max: places - 1 }), integer({ min: 0, max: 6 }), (at, bit) => {
        const changed = NOTE.slice(0, at) + String.fromCharCode(NOTE.charCodeAt(at) ^ (1 << bit)) + NOTE.slice(at + 1);
        let signers: unknown[] = [];
        try {
          signers = verifyNote(parseNote(changed), [key]);
        } catch (error) {
          expect(error).toBeInstanceOf(SyntaxError);
        }
        expect(signers).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  it('are void when one signature of a known key does not hold, and pass over those of others', () => {
    const stranger = keyOf('x');
    const both = signNote(TEXT, first, stranger);
    expect(verifyNote(parseNote(both), [first.verifier])).toEqual([first.verifier]);
    expect(verifyNote(parseNote(`${NOTE}${SIGNATURE}`), [VerifierKey.parse(PETER)])).toHaveLength(1);
    const forged = Buffer.concat([second.verifier.id, Buffer.alloc(64)]).toString('base64');
    const note = parseNote(`${signNote(TEXT, first)}\u2014 bongsu ${forged}\n`);
    expect(verifyNote(note, [first.verifier])).toEqual([first.verifier]);
    expect(verifyNote(note, [first.verifier, second.verifier])).toEqual([]);
  });

  it.each([
    '',
    'text',
    'text\n',
    'text\n\n',
    'text\n\n\n',
    `${TEXT}\n- a b\n`,
    NOTE.slice(0, -1),
    NOTE.replace(',', '\t'),
    NOTE + SIGNATURE.repeat(16),
  ])('are refused as malformed: %j', (text) => expect(() => parseNote(text)).toThrow(SyntaxError));

  it('are refused of a text that would read otherwise', () => {
    expect(() => signNote('no line feed', first)).toThrow(SyntaxError);
  });

  it('are told apart in a file, whatever stands between them', () => {
    const notes = [signed(first), NOTE, announcing(first, second)];
    expect([...splitNotes(notes.join(''))]).toEqual(notes);
    expect([...splitNotes(`\n\n${notes.join('\n\n')}\n`)]).toEqual(notes);
    expect([...splitNotes(`${notes[0]}bongsu/t`)]).toEqual([notes[0], 'bongsu/t']);
    expect([...splitNotes('')]).toEqual([]);
  });
});

describe('verifier keys', () => {
  it('are refused when mistyped, whatever character', () => {
    for (let at = 0; at < PETER.length; at++) {
      const changed = PETER.slice(0, at) + (PETER[at] === 'A' ? 'B' : 'A') + PETER.slice(at + 1);
      expect(() => VerifierKey.parse(changed), changed).toThrow(SyntaxError);
    }
    assert(
      property(string(), (text) => {
        expect(() => VerifierKey.parse(text)).toThrow(SyntaxError);
      }),
    );
  });
});

describe('private keys', () => {
  const { privateKey: pair } = generateKeyPairSync('ed25519');
  const pem = String(pair.export({ format: 'pem', type: 'pkcs8' }));

  it('come as PEM, as PEM in one line, as a seed, and as a file with either', () => {
    const folder = mkdtempSync(join(tmpdir(), 'bongsu-key-'));
    try {
      const seed = new SigningKey('a', pair).seed.toString('base64');
      writeFileSync(join(folder, 'key.pem'), pem);
      writeFileSync(join(folder, 'seed'), `${seed}\n`);
      for (const given of [
        pem,
        pem.replaceAll('\n', String.raw`\n`),
        seed,
        join(folder, 'key.pem'),
        join(folder, 'seed'),
      ])
        expect(privateKey(given).equals(pair)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('are refused otherwise, without saying what was given', () => {
    const rsa = String(
      generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ format: 'pem', type: 'pkcs8' }),
    );
    for (const given of [
      '',
      'hunter2',
      '/nowhere/hunter2',
      rsa,
      'A'.repeat(44),
      Buffer.alloc(31).toString('base64'),
      pem.slice(0, 60),
    ]) {
      let message = '';
      try {
        privateKey(given);
      } catch (error) {
        message = (error as Error).message;
      }
      expect(message).toMatch(/^must be an Ed25519 private key/);
      expect(message).not.toContain('hunter2');
    }
    expect(() => new SigningKey('a', createPrivateKey(rsa))).toThrow(SyntaxError);
    expect(() => new SigningKey('a', generateKeyPairSync('x25519').privateKey)).toThrow(SyntaxError); // 32 bytes, too
    expect(() => new SigningKey('two words', pair)).toThrow(SyntaxError);
  });
});

describe('checkpoints', () => {
  it('are written as docs/audit-format.md shows them', () => {
    expect(formatCheckpoint(CHECKPOINT)).toBe(
      'bongsu/notification.events.v1/5\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nchain FzfklbsFP6vkO3Zv9yEDFERDhNZfb8r88lunxA2MJbw=\n',
    );
    const full = { ...CHECKPOINT, nextKey: second.verifier, previousKey: first.verifier };
    const read = parseCheckpoint(formatCheckpoint(full));
    expect({ ...read, nextKey: String(read.nextKey), previousKey: String(read.previousKey) }).toEqual({
      ...full,
      nextKey: String(full.nextKey),
      previousKey: String(full.previousKey),
    });
  });

  it('are read with lines that are not known, and of logs with slashes in their names', () => {
    const root = EMPTY_ROOT.toString('base64');
    expect(parseCheckpoint(`example.org/a/b/topic/12\n0\n${root}\nsomething else\n`)).toEqual({
      log: 'example.org/a/b',
      topic: 'topic',
      partition: 12,
      size: 0,
      root: EMPTY_ROOT,
    });
  });

  const root = EMPTY_ROOT.toString('base64');
  it.each([
    '',
    'bongsu/t/0\n1\n',
    `bongsu/t/0\n1\n${root}`,
    `t/0\n1\n${root}\n`,
    `bongsu/t/00\n1\n${root}\n`,
    `bongsu/t/0\n01\n${root}\n`,
    `bongsu/t/0\n-1\n${root}\n`,
    `bongsu/t/0\n9007199254740993\n${root}\n`,
    `bongsu/t/0\n1\n${root.slice(0, -1)}\n`,
    `bongsu/t/0\n1\n${root}\n\n`,
    `bongsu/t/0\n1\n${root}\nchain ${root}\nchain ${root}\n`,
    `bongsu/t/0\n1\n${root}\nnext-key nonsense\n`,
  ])('are refused as malformed: %j', (text) => expect(() => parseCheckpoint(text)).toThrow(SyntaxError));
});

interface Vectors {
  readonly seeds: readonly [string, string];
  readonly keys: readonly [string, string];
  readonly checkpoints: readonly [string, string];
  readonly inclusionProof: { readonly sequence: number; readonly size: number; readonly proof: readonly string[] };
  readonly consistencyProof: { readonly from: number; readonly to: number; readonly proof: readonly string[] };
}

describe('the vectors that docs/audit-format.md publishes', () => {
  const page = readFileSync(new URL('../../../../docs/audit-format.md', import.meta.url), 'utf8');
  const [records = '', tree = ''] = [...page.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => text);
  const hashes = (JSON.parse(records) as { hash: string }[]).map(({ hash }) => Buffer.from(hash, 'hex'));
  const { seeds, keys, checkpoints, inclusionProof, consistencyProof } = JSON.parse(tree) as Vectors;
  const bytes = (base64: readonly string[]): Buffer[] => base64.map((each) => Buffer.from(each, 'base64'));
  const rootOf = (size: number): Buffer => {
    const range = new CompactRange();
    for (const hash of hashes.slice(0, size)) range.append(hash);
    return range.root();
  };
  const [old, next] = seeds.map((seed) => new SigningKey('bongsu', privateKey(seed))) as [SigningKey, SigningKey];

  it('are what we sign', () => {
    expect([old, next].map(({ verifier }) => verifier.toString())).toEqual(keys);
    const of = (size: number) => ({ ...CHECKPOINT, size, root: rootOf(size), head: hashes[size - 1] });
    const announcement = { ...of(3), nextKey: next.verifier, previousKey: old.verifier };
    expect(signNote(formatCheckpoint(announcement), old, next)).toBe(checkpoints[0]);
    expect(signNote(formatCheckpoint(of(4)), next)).toBe(checkpoints[1]);
  });

  it('verify with the first key', () => {
    const ring = new KeyRing(VerifierKey.parse(keys[0]));
    ring.learn(checkpoints);
    for (const [i, note] of checkpoints.entries())
      expect(ring.open(note)).toMatchObject({ size: i + 3, root: rootOf(i + 3) });
    const { sequence, size } = inclusionProof;
    const [leaf, index] = [hashLeaf(hashes[sequence - 1]!), sequence - 1];
    expect(verifyInclusion({ leaf, index, size, proof: bytes(inclusionProof.proof), root: rootOf(size) })).toBe(true);
    const { from, to } = consistencyProof;
    const claim = { oldSize: from, oldRoot: rootOf(from), size: to, root: rootOf(to) };
    expect(verifyConsistency({ ...claim, proof: bytes(consistencyProof.proof) })).toBe(true);
  });
});

describe('the key ring', () => {
  it('opens what its key signed, and nothing else', () => {
    const ring = new KeyRing(first.verifier);
    expect(ring.open(signed(first))).toMatchObject({ size: 3, partition: 5, note: signed(first) });
    expect(ring.open(signed(second))).toMatchObject({ refused: 'unsigned' });
    expect(ring.open(signed(first).replace('\n3\n', '\n4\n'))).toMatchObject({ refused: 'unsigned' });
    expect(ring.open('nonsense')).toMatchObject({ refused: 'malformed' });
  });

  it('takes a key at its word for the log that it is named after, and for no other', () => {
    const elsewhere = { ...CHECKPOINT, log: 'test-system' };
    const ring = new KeyRing(first.verifier);
    expect(ring.open(signNote(formatCheckpoint(elsewhere), first))).toMatchObject({ refused: 'unsigned' });
    const announcement = formatCheckpoint({ ...elsewhere, nextKey: second.verifier });
    expect(ring.learn([signNote(announcement, first)])).toBe(0);
  });

  it('follows keys that were announced, in whatever order it hears of them', () => {
    const ring = new KeyRing(first.verifier);
    expect(ring.learn([announcing(second, third), signed(first), announcing(first, second)])).toBe(2);
    expect(ring.open(signed(third))).toMatchObject({ size: 3 });
  });

  it('follows keys back to those before', () => {
    const ring = new KeyRing(third.verifier);
    expect(ring.learn([announcing(first, second), announcing(second, third)])).toBe(2);
    expect(ring.open(signed(first))).toMatchObject({ size: 3 });
  });

  it('follows no key that is named after another log', () => {
    const ring = new KeyRing(first.verifier);
    const ofOther = new SigningKey('test-system', generateKeyPairSync('ed25519').privateKey);
    const announcement = formatCheckpoint({ ...CHECKPOINT, nextKey: ofOther.verifier, previousKey: first.verifier });
    expect(ring.learn([signNote(announcement, first, ofOther)])).toBe(0);
  });

  it('follows no key that announces itself', () => {
    const ring = new KeyRing(first.verifier);
    const forged = signNote(
      formatCheckpoint({ ...CHECKPOINT, nextKey: second.verifier, previousKey: first.verifier }),
      second,
    );
    expect(ring.learn([forged, announcing(second, third)])).toBe(0);
    expect(ring.keys).toEqual([first.verifier]);
  });
});
