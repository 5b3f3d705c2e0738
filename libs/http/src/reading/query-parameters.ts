import { invalidParameter } from '../problems/problem.js';

/** RFC 3339 with a zone, or a date alone. */
const TIME = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2}))?$/;

/**
 * A request's query, read strictly: an unknown or repeated parameter is 400, since a misspelt filter that is ignored
 * answers with more than was asked for. Every reader throws invalid_parameter (400) naming the parameter.
 */
export class QueryParameters<Name extends string> {
  private readonly values: Readonly<Record<string, string>>;

  constructor(query: unknown, known: readonly Name[]) {
    const values: Record<string, string> = Object.create(null) as Record<string, string>;
    for (const [name, value] of Object.entries((query ?? {}) as Record<string, unknown>)) {
      if (!(known as readonly string[]).includes(name)) {
        throw invalidParameter(name.slice(0, 100), `is not known here; there are ${known.join(', ')}`);
      }
      if (typeof value !== 'string') throw invalidParameter(name, 'may be given once');
      values[name] = value;
    }
    this.values = values;
  }

  /** For a route that takes no parameters. */
  static refuseAll(query: unknown): void {
    const [name] = Object.keys(query ?? {});
    if (name !== undefined) throw invalidParameter(name.slice(0, 100), 'is not known here; there are none');
  }

  /** A text without control characters or anything else that UTF-8 or PostgreSQL has no form for. */
  text(name: Name, maxLength: number): string | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if (value === '' || value.length > maxLength)
      throw invalidParameter(name, `must have 1 to ${maxLength} characters`);
    if (!value.isWellFormed() || /\p{Cc}/u.test(value))
      throw invalidParameter(name, 'must not contain control characters');
    return value;
  }

  oneOf<const T extends string>(name: Name, values: readonly T[]): T | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    if (!(values as readonly string[]).includes(value))
      throw invalidParameter(name, `must be one of ${values.join(', ')}`);
    return value as T;
  }

  integer(name: Name, min: number, max: number): number | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    if (!(number >= min && number <= max)) throw invalidParameter(name, `must be a whole number from ${min} to ${max}`);
    return number;
  }

  time(name: Name): Date | undefined {
    const value = this.values[name];
    if (value === undefined) return undefined;
    // A plus sign that was not escaped arrives as a blank.
    const text = value.replace(' ', '+');
    const time = TIME.test(text) ? new Date(text) : new Date(Number.NaN);
    if (Number.isNaN(time.getTime()))
      throw invalidParameter(name, 'must be an RFC 3339 time, such as 2026-12-01T09:00:00Z');
    return time;
  }
}

/** How many entries a page may have, and has when nothing is said. */
export const PAGE = { min: 1, max: 100, fallback: 50 } as const;
