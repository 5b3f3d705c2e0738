/**
 * Results go to stdout, in words or (with --json) as JSON, one document per line; everything else goes to stderr, so that
 * `bongsu … --json | jq` never meets a word that is meant for people.
 */
export class Output {
  readonly json: boolean;
  constructor(json: boolean) {
    this.json = json;
  }

  /** A result: `value` for programs, `text` for people. */
  result(value: unknown, text: string): void {
    process.stdout.write(`${this.json ? JSON.stringify(value) : text}\n`);
  }

  /** Something that people want to know and programs do not. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }
}

/** Columns, left-aligned, two blanks between them; the last one as long as it is. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return rows
    .map((row) => row.map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0))).join('  '))
    .join('\n');
}

/**
 * Text from outside, fit for a terminal: control characters would let a notification's subject or a record's header move
 * the cursor or forge lines.
 */
export const printable = (text: string): string => text.replaceAll(/\p{Cc}/gu, '\u{fffd}');
