/** What the lines of a part look like, which decides which of them matter on the screen. */
export type LogFormat = 'service' | 'java' | 'postgres' | 'plain';

const LEVELS = new Map([
  [40, 'WARN'],
  [50, 'ERROR'],
  [60, 'FATAL'],
]);

/**
 * What the screen shows of a line that a part has logged, or undefined for nothing (its log file has all of them).
 * Services: warnings and worse, and what is no log line at all (a stack trace). Servers: errors only; they warn about
 * ordinary things, such as a client that has gone.
 */
export function worthShowing(format: LogFormat, line: string): string | undefined {
  if (line.trim() === '') return undefined;
  if (format === 'service') return fromService(line);
  if (format === 'java') return /^\S+ \S+ (ERROR|FATAL) /.test(line) ? line.replace(/^\S+ \S+ /, '') : undefined;
  // Refusing sessions while it starts or stops is ordinary; our own question whether it is ready is refused that way.
  if (format === 'postgres' && /FATAL: +the database system is /.test(line)) return undefined;
  if (format === 'postgres') return /\] (?:\S+ )?(FATAL|PANIC): /.test(line) ? line.replace(/^.*?\] /, '') : undefined;
  return line;
}

function fromService(line: string): string | undefined {
  if (!line.startsWith('{')) return line;
  // Most lines are of no interest, and there may be thousands in a second: parse only what may be.
  if (!/"level":(?:[456]\d|"(?:warn|error|fatal)")/.test(line)) return undefined;
  try {
    const entry = JSON.parse(line) as Record<string, unknown>;
    const level =
      typeof entry['level'] === 'number' ? LEVELS.get(entry['level']) : String(entry['level']).toUpperCase();
    const error = entry['err'] ?? entry['error'];
    const reason =
      typeof error === 'object' && error !== null && 'message' in error ? ` (${String(error.message)})` : '';
    return `${level ?? 'WARN'} ${typeof entry['msg'] === 'string' ? entry['msg'] : ''}${reason}`;
  } catch {
    return line;
  }
}

/** Cuts a stream of bytes into lines. A line without an end is cut too, so that it cannot grow without bound. */
export class LineSplitter {
  private rest = '';
  private readonly decoder = new TextDecoder();
  private readonly onLine: (line: string) => void;

  constructor(onLine: (line: string) => void) {
    this.onLine = onLine;
  }

  push(chunk: Uint8Array): void {
    const lines = (this.rest + this.decoder.decode(chunk, { stream: true })).split('\n');
    this.rest = lines.pop() ?? '';
    if (this.rest.length > 64 << 10) {
      lines.push(this.rest);
      this.rest = '';
    }
    for (const line of lines) this.onLine(line);
  }
}
