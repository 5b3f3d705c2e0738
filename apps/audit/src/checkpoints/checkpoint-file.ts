import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { chainName, splitNotes, type KeyRing } from '@bongsu/audit-chain';
import type { Logger } from '@bongsu/observability';
import type { KnownState } from './signer.js';

/** A checkpoint as it is stored. */
export interface StoredNote {
  readonly topic: string;
  readonly partition: number;
  readonly size: number;
  readonly note: string;
}

const PIECE_BYTES = 1024 * 1024;
const SIGNATURE_END = /\n\u2014 [^\n]+\n(?!\u2014)/g;

/**
 * A file of checkpoints, one behind the other, that is only appended to: what remembers them where the database's owner may
 * not write. Each replica has its own.
 */
export class CheckpointFile {
  readonly #file: FileHandle;
  /** By chain, the newest of those whose signature holds. */
  readonly #newest = new Map<string, KnownState>();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Opens the file, making it where there is none, and reads what it has. A note that a crash broke off is cut away.
   * @throws when it cannot be read and written
   */
  static async open(path: string, ring: KeyRing, logger: Logger): Promise<CheckpointFile> {
    const opened = new CheckpointFile(await open(path, 'a', 0o644));
    try {
      const { newest, announcements, end, size } = await read(path);
      if (end < size) {
        logger.warn(
          { path, bytes: size - end },
          'The checkpoint file ends in the middle of a checkpoint, which is cut away',
        );
        await opened.#file.truncate(end);
      }
      ring.learn(announcements);
      const refused = newest.filter((note) => !opened.#remember(note, ring));
      if (refused.length > 0)
        logger.error(
          { path, count: refused.length, first: refused[0] },
          'The checkpoint file has checkpoints that none of our keys signed',
        );
      return opened;
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  /** The chains that it has checkpoints of. */
  get chains(): string[] {
    return [...this.#newest.keys()];
  }

  /** The newest checkpoint of a chain in the file. */
  newest(topic: string, partition: number): KnownState | undefined {
    return this.#newest.get(chainName(topic, partition));
  }

  /** Appends checkpoints and resolves when the disk has them. @param notes in the order of size within a chain */
  async append(notes: readonly StoredNote[], ring: KeyRing): Promise<void> {
    if (notes.length === 0) return;
    await this.#file.appendFile(notes.map(({ note }) => `${note}\n`).join(''));
    await this.#file.sync();
    for (const { note } of notes) this.#remember(note, ring);
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  #remember(note: string, ring: KeyRing): boolean {
    const opened = ring.open(note);
    if ('refused' in opened) return false;
    const chain = chainName(opened.topic, opened.partition);
    if (opened.size > (this.#newest.get(chain)?.size ?? -1))
      this.#newest.set(chain, { size: opened.size, root: opened.root });
    return true;
  }
}

interface Read {
  /** Of each chain the note of the largest size: to check the signatures of all would take minutes after some months. */
  readonly newest: string[];
  readonly announcements: string[];
  /** Where the last complete note and the empty lines behind it end, and the file does; bytes. */
  readonly end: number;
  readonly size: number;
}

/** Reads the file piece by piece; memory does not grow with it. */
async function read(path: string): Promise<Read> {
  const newest = new Map<string, { readonly size: number; readonly note: string }>();
  const announcements: string[] = [];
  let [end, rest] = [0, ''];
  for await (const piece of createReadStream(path, { encoding: 'utf8', highWaterMark: PIECE_BYTES })) {
    rest += piece as string;
    const complete = completeIn(rest);
    end += Buffer.byteLength(rest.slice(0, complete));
    for (const note of splitNotes(rest.slice(0, complete))) {
      const [chain = '', size = ''] = note.split('\n', 2);
      if (Number(size) > (newest.get(chain)?.size ?? -1)) newest.set(chain, { size: Number(size), note });
      if (note.includes('\nnext-key ')) announcements.push(note);
    }
    rest = rest.slice(complete);
  }
  return {
    newest: [...newest.values()].map(({ note }) => note),
    announcements,
    end,
    size: end + Buffer.byteLength(rest),
  };
}

/** How many characters are complete notes. What may have one more signature behind it is complete when the file ends there. */
function completeIn(text: string): number {
  let end = 0;
  for (const match of text.matchAll(SIGNATURE_END)) end = match.index + match[0].length;
  return end + (/^\n*/.exec(text.slice(end))?.[0].length ?? 0);
}
