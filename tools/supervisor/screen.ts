import { styleText } from 'node:util';

type Colour = Parameters<typeof styleText>[0];
const COLOURS: readonly Colour[] = ['cyan', 'magenta', 'blue', 'green', 'yellow'];
const WIDTH = 'notification'.length;

/** At most so many lines of one part in so many milliseconds, and each only once; what is left out is counted. */
const BURST = { lines: 20, window: 10_000 } as const;

/** The terminal (or whatever stdout is): one line per event, each behind the name of its part. */
export class Screen {
  private readonly out: NodeJS.WritableStream & { isTTY?: boolean };
  private readonly colours = new Map<string, Colour>();
  private readonly bursts = new Map<string, { since: number; lines: Set<string>; left: number }>();
  private readonly now: () => number;

  constructor(
    out: NodeJS.WritableStream & { isTTY?: boolean } = process.stdout,
    now: () => number = () => performance.now(),
  ) {
    this.out = out;
    this.now = now;
    // Whoever read our output has gone; the stack goes on.
    out.on('error', () => undefined);
  }

  /** A word of the supervisor's own. */
  say(text: string): void {
    this.line('bongsu', text);
  }

  /** The same, for what went wrong. */
  complain(text: string): void {
    for (const line of text.split('\n')) this.line('bongsu', this.paint('red', line));
  }

  /** A line of a part. A part that says the same thing a thousand times does not push everything else off the screen. */
  part(name: string, text: string): void {
    const burst = this.bursts.get(name);
    if (!burst || this.now() - burst.since >= BURST.window) {
      if (burst && burst.left > 0) this.line(name, `… and ${burst.left} more lines, see its log`);
      this.bursts.set(name, { since: this.now(), lines: new Set([text]), left: 0 });
    } else if (burst.lines.size >= BURST.lines || burst.lines.has(text)) {
      burst.left += 1;
      return;
    } else burst.lines.add(text);
    this.line(name, text);
  }

  /** Text without a prefix. */
  plain(text: string): void {
    this.out.write(`${text}\n`);
  }

  paint(colour: Colour, text: string): string {
    return this.out.isTTY ? styleText(colour, text, { validateStream: false }) : text;
  }

  private line(name: string, text: string): void {
    if (!this.colours.has(name)) this.colours.set(name, COLOURS[this.colours.size % COLOURS.length] ?? 'cyan');
    this.out.write(`${this.paint(this.colours.get(name) ?? 'cyan', name.padEnd(WIDTH))} │ ${text}\n`);
  }
}
