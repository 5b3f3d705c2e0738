import type { ExportLine } from '../../export-line.js';
import { gapPayload } from '../../gap.js';
import { labelsOf } from '../../labels.js';
import { chainName, digestPayload } from '../../record.js';
import type { StoredRecord } from '../chain-verifier.js';
import {
  below,
  CHAINS,
  checkpointText,
  CLEAN,
  COUNT,
  current,
  forger,
  KEPT,
  linesOf,
  NOTES,
  pick,
  random,
  randomBuffer,
  rechained,
  signedBy,
  SIZES,
  textOf,
  type Line,
} from './signed-export.js';

export interface Mutation {
  readonly what: string;
  readonly lines: readonly string[];
  readonly kept?: readonly string[];
  /** Where it must be found: in this chain, from one sequence to another. */
  readonly chain: string;
  readonly from: number;
  readonly to: number;
}

const nameOf = (chain: number): string => chainName(CHAINS[chain]![0]!.topic, CHAINS[chain]![0]!.partition);
/** The export with other lines or records in one chain. */
const withLines = (chain: number, lines: readonly Line[]): string[] => textOf(CLEAN.with(chain, [...lines]));
const place = (chain: number, from: number, to = from) => ({ chain: nameOf(chain), from, to });
/** A change from this record on shows at the first checkpoint that covers it. */
const inCheckpoint = (chain: number, index: number) => {
  const to = SIZES.find((size) => size > index)!;
  return place(chain, (SIZES[SIZES.indexOf(to) - 1] ?? 0) + 1, to);
};

function flippedBase64(text: string): string {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0) return 'AA==';
  bytes[below(bytes.length)]! ^= 1 << below(8);
  return bytes.toString('base64');
}

function otherValue(name: keyof ExportLine, value: unknown): unknown {
  if (name === 'kind') return value === 'gap' ? 'record' : 'gap';
  if (name === 'erased') return value !== true;
  if (typeof value === 'number') return value + pick([1, 2, 1_000]);
  if (name === 'timestampMs') return String(BigInt(value as string) + pick([1n, -1n, 86_400_000n]));
  if (name === 'hash' || name === 'payloadDigest')
    return Buffer.from(flippedBase64(Buffer.from(value as string, 'hex').toString('base64')), 'base64').toString('hex');
  const isBytes = ['key', 'headers', 'payload', 'salt'].includes(name);
  if (value === null) return isBytes ? pick(['', 'AA==']) : 'somebody';
  return isBytes ? flippedBase64(value as string) : `${value as string}x`;
}

const change = (): Mutation => {
  const [chain, index] = [below(3), below(COUNT)];
  const lines = CLEAN[chain]!;
  const name = pick(Object.keys(lines[index]!)) as keyof ExportLine;
  const changed = { ...lines[index], [name]: otherValue(name, lines[index]![name]) };
  return { what: `${name} changed`, lines: withLines(chain, lines.with(index, changed)), ...place(chain, index + 1) };
};

const emptied = (): Mutation => {
  const chain = below(3);
  const lines = CLEAN[chain]!;
  const name = pick(['key', 'payload', 'salt', 'eventId', 'type', 'notification', 'recipient'] as const);
  const candidates = lines.flatMap((line, i) => (line[name] === null ? [] : [i]));
  const index = pick(candidates);
  const erased = name === 'salt' ? { erased: true } : {};
  const changed = { ...lines[index], [name]: null, ...erased };
  // A tombstone that has lost its salt is what an erased one looks like.
  if (name === 'salt' && lines[index]!['payload'] === null) return emptied();
  return { what: `${name} emptied`, lines: withLines(chain, lines.with(index, changed)), ...place(chain, index + 1) };
};

const bitFlip = (): Mutation => {
  const [chain, index] = [below(3), below(COUNT)];
  const lines = textOf(CLEAN);
  const at = chain * COUNT + index;
  const bytes = Buffer.from(lines[at]!);
  // Not in the checkpoints of the first line: they are signed themselves, and forging them is another mutation.
  bytes[below(at === 0 ? bytes.indexOf('"checkpoints"') - 1 : bytes.length)]! ^= 1 << below(8);
  return {
    what: 'a bit of the file flipped',
    lines: lines.with(at, bytes.toString()).join('\n').split('\n'),
    ...place(chain, index + 1),
  };
};

const drop = (): Mutation => {
  const [chain, index] = [below(3), below(COUNT)];
  return {
    what: 'dropped',
    lines: withLines(chain, CLEAN[chain]!.toSpliced(index, 1)),
    kept: KEPT,
    ...place(chain, index + 1),
  };
};

const swap = (): Mutation => {
  const chain = below(3);
  const [a, b] = [below(COUNT - 1), 1 + below(COUNT - 1)].toSorted((x, y) => x - y) as [number, number];
  if (a === b) return swap();
  const lines = CLEAN[chain]!;
  const renumbered = random() < 0.5;
  const take = (from: number, to: number): Line => (renumbered ? { ...lines[from], sequence: to + 1 } : lines[from]!);
  return {
    what: 'swapped',
    lines: withLines(chain, lines.with(a, take(b, a)).with(b, take(a, b))),
    ...place(chain, a + 1),
  };
};

const insert = (): Mutation => {
  const [chain, index, from] = [below(3), below(COUNT), below(COUNT)];
  const inserted = { ...CLEAN[chain]![from], sequence: index + 1 };
  const shift = random() < 0.5;
  const lines = CLEAN[chain]!.map((line, i) => (shift && i >= index ? { ...line, sequence: i + 2 } : line));
  // The copy of a record before itself is itself; what is wrong then is the one behind.
  return {
    what: 'inserted',
    lines: withLines(chain, lines.toSpliced(index, 0, inserted)),
    ...place(chain, index + 1, index + 2),
  };
};

const cut = (): Mutation => {
  const [chain, size] = [below(3), below(COUNT)];
  return {
    what: 'cut off',
    lines: withLines(chain, CLEAN[chain]!.slice(0, size)),
    kept: KEPT,
    ...place(chain, size + 1),
  };
};

const tampered = (chain: number, index: number): StoredRecord[] => {
  const records = CHAINS[chain]!;
  const record = records[index]!;
  const payload = Buffer.from(JSON.stringify({ tenant: 'acme', recipientId: 'somebody else' }));
  const salt = randomBuffer(32);
  const forged = {
    ...record,
    payload,
    salt,
    payloadDigest: digestPayload(salt, payload),
    ...labelsOf(record.headers, payload),
  };
  return rechained(records.with(index, forged));
};
const anyRecord = (): [chain: number, index: number] => {
  const [chain, index] = [below(3), below(COUNT)];
  return CHAINS[chain]![index]!.kind === 'gap' ? anyRecord() : [chain, index];
};

const rechain = (): Mutation => {
  const [chain, index] = anyRecord();
  return { what: 'rechained', lines: withLines(chain, linesOf(tampered(chain, index))), ...inCheckpoint(chain, index) };
};

/** The same, the checkpoints in the file left out or made again with another key. */
const rechainSigned = (): Mutation => {
  const [chain, index] = anyRecord();
  const records = tampered(chain, index);
  const removed = random() < 0.5;
  const notes = NOTES.with(chain, removed ? [] : SIZES.map((size) => signedBy(forger, records, size)));
  const lines = textOf(CLEAN.with(chain, linesOf(records)), notes.flat());
  return removed
    ? { what: 'rechained, checkpoints left out', lines, kept: KEPT, ...inCheckpoint(chain, index) }
    : { what: 'rechained and signed by another key', lines, ...place(chain, SIZES[0]!, COUNT) };
};

const forgeCheckpoint = (): Mutation => {
  const [chain, i] = [below(3), below(SIZES.length)];
  const note = NOTES[chain]![i]!;
  const size = SIZES[i]!;
  const forged = pick([
    () => signedBy(forger, CHAINS[chain]!, size),
    () => note.replace(/\n\d+\n/, `\n${size}0\n`),
    () =>
      note.replace(/^(— \S+ )(\S+)$/m, (_, name: string, signature: string) => `${name}${flippedSignature(signature)}`),
    () =>
      current.note(
        checkpointText(CHAINS[chain]!, size).replace(
          /\n[\w+/]{43}=\nchain/,
          `\n${randomBuffer(32).toString('base64')}\nchain`,
        ),
      ),
  ])();
  const shown = Number(forged.split('\n')[1]);
  const notes = NOTES.with(chain, NOTES[chain]!.with(i, forged)).flat();
  return {
    what: 'checkpoint forged',
    lines: textOf(CLEAN, notes),
    kept: KEPT,
    ...place(chain, (SIZES[i - 1] ?? 0) + 1, shown),
  };
};
/** A bit behind the key id, which says which key is meant. */
const flippedSignature = (text: string): string => {
  const bytes = Buffer.from(text, 'base64');
  bytes[4 + below(64)]! ^= 1 << below(8);
  return bytes.toString('base64');
};

const rollBack = (): Mutation => {
  const size = pick(SIZES.slice(0, -1));
  const chain = below(3);
  const lines = textOf(
    CLEAN.map((each) => each.slice(0, size)),
    NOTES.flatMap((notes) => notes.slice(0, SIZES.indexOf(size) + 1)),
  );
  return { what: 'rolled back', lines, kept: KEPT, ...place(chain, size + 1) };
};

const changeGap = (): Mutation => {
  const chain = below(3);
  const index = pick([11, 29]);
  const records = CHAINS[chain]!;
  if (random() < 0.5) {
    const payload = gapPayload({ kind: pick(['gap', 'reset'] as const), expected: BigInt(below(99)), got: 100n });
    const forged = { ...records[index]!, payload, payloadDigest: digestPayload(records[index]!.salt!, payload) };
    return {
      what: 'gap changed',
      lines: withLines(chain, linesOf(rechained(records.with(index, forged)))),
      ...place(chain, index + 1),
    };
  }
  const without = records.toSpliced(index, 1).map((record, i) => ({ ...record, sequence: BigInt(i + 1) }));
  return {
    what: 'gap hidden',
    lines: withLines(chain, linesOf(rechained(without))),
    kept: KEPT,
    ...place(chain, SIZES.findLast((size) => size <= index)! + 1, COUNT),
  };
};

/** Ways to make one change; which and where is chosen anew with each call. */
export const MUTATIONS: readonly (() => Mutation)[] = [
  change, change, change, emptied, bitFlip, bitFlip, drop, swap, insert, cut, rechain, rechainSigned, forgeCheckpoint, rollBack, changeGap,
]; // prettier-ignore
