import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Bytes after which a file is put aside as `<file>.1`, whose predecessor goes. */
const MAX_BYTES = 20 << 20;

/** The log of one part: the file of this start, and one older. Written at once, so that a death of ours loses nothing. */
export class LogFile {
  private descriptor: number | undefined;
  private bytes = 0;
  private readonly path: string;
  private readonly maxBytes: number;

  constructor(path: string, maxBytes = MAX_BYTES) {
    this.path = path;
    this.maxBytes = maxBytes;
    mkdirSync(dirname(path), { recursive: true });
    this.rotate();
  }

  write(chunk: Buffer | string): void {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    try {
      if (this.bytes > 0 && this.bytes + bytes.length > this.maxBytes) this.rotate();
      if (this.descriptor === undefined) return;
      writeSync(this.descriptor, bytes);
      this.bytes += bytes.length;
    } catch {
      // A full disk must not stop the supervisor: it is what restarts the parts that stumble over it.
    }
  }

  close(): void {
    if (this.descriptor !== undefined) closeSync(this.descriptor);
    this.descriptor = undefined;
  }

  private rotate(): void {
    this.close();
    try {
      renameSync(this.path, `${this.path}.1`);
    } catch {
      // There is none yet.
    }
    this.descriptor = openSync(this.path, 'a');
    this.bytes = fstatSync(this.descriptor).size;
  }
}
