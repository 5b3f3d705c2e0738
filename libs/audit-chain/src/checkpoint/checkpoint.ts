import { chainName, HASH_BYTES } from '../record.js';
import { VerifierKey } from './verifier-key.js';

/** The text of a checkpoint (C2SP tlog-checkpoint): the state of one chain, to be signed. */
export interface Checkpoint {
  /** Who speaks: what stands before the chain in the first line. */
  readonly log: string;
  readonly topic: string;
  readonly partition: number;
  /** How many entries the chain had: the sequence of the last. */
  readonly size: number;
  /** Of the tree over the entries' linked hashes. */
  readonly root: Buffer;
  /** The linked hash of the last entry; undefined where the checkpoint does not say it. */
  readonly head?: Buffer | undefined;
  /** The key that follows on the one that signs this. */
  readonly nextKey?: VerifierKey | undefined;
  /** The key that the one that signs this follows on. */
  readonly previousKey?: VerifierKey | undefined;
}

const ORIGIN = /^(?<log>\S+)\/(?<topic>[A-Za-z0-9._-]{1,249})\/(?<partition>0|[1-9]\d{0,8})$/;
const SIZE = /^(?:0|[1-9]\d{0,15})$/;

/** The text of a note: ends with a line feed. */
export function formatCheckpoint({
  log,
  topic,
  partition,
  size,
  root,
  head,
  nextKey,
  previousKey,
}: Checkpoint): string {
  const lines = [`${log}/${chainName(topic, partition)}`, String(size), root.toString('base64')];
  if (head) lines.push(`chain ${head.toString('base64')}`);
  if (nextKey) lines.push(`next-key ${nextKey.toString()}`);
  if (previousKey) lines.push(`previous-key ${previousKey.toString()}`);
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * What a note's text says; whoever signed it says it. Lines behind the third that are not known are passed over.
 * @throws SyntaxError for text that is no checkpoint of a chain
 */
export function parseCheckpoint(text: string): Checkpoint {
  const [origin = '', size = '', root = '', ...extensions] = text.split('\n').slice(0, -1);
  if (!text.endsWith('\n') || extensions.includes('')) throw new SyntaxError('The lines of a checkpoint are not empty');
  const { log, topic, partition } = ORIGIN.exec(origin)?.groups ?? {};
  if (log === undefined || topic === undefined || partition === undefined)
    throw new SyntaxError('The first line of a checkpoint is <log>/<topic>/<partition>');
  if (!SIZE.test(size) || !Number.isSafeInteger(Number(size))) throw new SyntaxError('The second line is no size');
  const head = extension(extensions, 'chain');
  const nextKey = extension(extensions, 'next-key');
  const previousKey = extension(extensions, 'previous-key');
  return {
    log,
    topic,
    partition: Number(partition),
    size: Number(size),
    root: digest(root),
    ...(head === undefined ? {} : { head: digest(head) }),
    ...(nextKey === undefined ? {} : { nextKey: VerifierKey.parse(nextKey) }),
    ...(previousKey === undefined ? {} : { previousKey: VerifierKey.parse(previousKey) }),
  };
}

/** The value of a line `<name> <value>`; twice would be two answers to one question. */
function extension(lines: readonly string[], name: string): string | undefined {
  const values = lines.filter((line) => line.startsWith(`${name} `)).map((line) => line.slice(name.length + 1));
  if (values.length > 1) throw new SyntaxError(`The checkpoint says ${name} more than once`);
  return values[0];
}

function digest(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== HASH_BYTES || bytes.toString('base64') !== base64)
    throw new SyntaxError('A hash in a checkpoint is 32 bytes in base64');
  return bytes;
}
