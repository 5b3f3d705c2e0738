import { readFileSync } from 'node:fs';

/** Reads one setting from its text; throws an Error whose message completes "NAME …" when the text is not acceptable. */
export interface Setting<T> {
  readonly parse: (text: string) => T;
  /** The text used when the variable is not set; undefined makes it required, null makes it optional. */
  readonly fallback: string | undefined | null;
  readonly description: string;
  readonly secret?: boolean;
}

export type SettingsSpec = Record<string, Setting<unknown>>;
export type Settings<S extends SettingsSpec> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};

/** Every problem of the environment at once, so that an operator mends them in one go. */
export class SettingsError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The settings are not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/**
 * Reads all settings of a spec. A variable that is set to the empty string counts as not set (compose files pass empty
 * ones on). A secret may come from a file that `<NAME>_FILE` names instead: variables show in `docker inspect`, in crash
 * dumps and in every child process. Throws a SettingsError that lists every problem.
 */
export function readSettings<S extends SettingsSpec>(spec: S, env: NodeJS.ProcessEnv): Settings<S> {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(spec)) {
    let given: string | undefined;
    try {
      given = setting.secret ? fromVariableOrFile(name, env) : variable(name, env);
    } catch (error) {
      problems.push(messageOf(error));
      continue;
    }
    const text = given ?? setting.fallback;
    if (text === null) continue;
    if (text === undefined) {
      problems.push(`${name} is required: ${setting.description}`);
      continue;
    }
    try {
      values[name] = setting.parse(text);
    } catch (error) {
      const shown = setting.secret ? '' : ` (got ${JSON.stringify(text.slice(0, 80))})`;
      problems.push(`${name} ${messageOf(error)}${shown}`);
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return values as Settings<S>;
}

const variable = (name: string, env: NodeJS.ProcessEnv): string | undefined => env[name]?.trim() || undefined;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Both at once is refused: whoever rotates the file would not see that the variable is what counts. */
function fromVariableOrFile(name: string, env: NodeJS.ProcessEnv): string | undefined {
  const given = variable(name, env);
  const path = variable(`${name}_FILE`, env);
  if (path === undefined) return given;
  if (given !== undefined) throw new Error(`${name} and ${name}_FILE are both set: one of them has to go`);
  let content: string;
  try {
    content = readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw new Error(`${name}_FILE cannot be read: ${messageOf(error)}`, { cause: error });
  }
  if (content === '') throw new Error(`${name}_FILE names an empty file: ${path}`);
  return content;
}

type Fallback = string | undefined;
const setting =
  <T>(parse: (text: string) => T) =>
  (description: string, fallback?: Fallback): Setting<T> => ({ parse, fallback, description });

/** Makes a setting optional: its value is undefined when the variable is not set. */
export const optional = <T>(inner: Setting<T>): Setting<T | undefined> => ({ ...inner, fallback: null });
/** Keeps a setting's value out of messages. */
export const secret = <T>(inner: Setting<T>): Setting<T> => ({ ...inner, secret: true });

export const text = setting((value) => value);
export const port = setting((value) => whole(value, 1, 65_535));
export const integer = (min: number, max: number) => setting((value) => whole(value, min, max));
export const ratio = setting((value) => {
  const number = /^\d{1,9}(\.\d{1,9})?$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= 0 && number <= 1)) throw new Error('must be a number from 0 to 1');
  return number;
});
export const flag = setting((value) => choose(value, ['true', 'false']) === 'true');
export const oneOf = <const T extends readonly string[]>(values: T) =>
  setting((value): T[number] => choose(value, values));
export const matching = (pattern: RegExp, what: string) =>
  setting((value) => {
    if (!pattern.test(value)) throw new Error(`must be ${what}`);
    return value;
  });
/** A comma-separated list; blanks around items do not count. */
export const list = <T>(item: Setting<T>) => setting((value) => items(value).map((each) => item.parse(each)));
/** `host:port` pairs, comma-separated. */
export const brokers = setting((value) => {
  const pairs = items(value);
  for (const pair of pairs)
    if (!/^[^\s:/]+:\d{1,5}$/.test(pair)) throw new Error('must be host:port pairs, comma-separated');
  if (pairs.length === 0) throw new Error('must name at least one broker');
  return pairs;
});
/** A duration such as 250ms, 5s, 2m, 6h, 7d; the value is in milliseconds. */
export const duration = (minMs = 0, maxMs = 10 * 365 * 86_400_000) =>
  setting((value) => milliseconds(value, minMs, maxMs));
/** A number of bytes, optionally with KB, MB or GB (powers of 1024). */
export const bytes = (min: number, max: number) =>
  setting((value) => {
    const match = /^(\d{1,15})\s*(B|KB|MB|GB)?$/i.exec(value);
    const unit = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 }[(match?.[2] ?? 'B').toUpperCase()] ?? 1;
    const size = match ? Number(match[1]) * unit : Number.NaN;
    if (!(size >= min && size <= max)) throw new Error(`must be a number of bytes from ${min} to ${max}`);
    return size;
  });
export const url = (...protocols: string[]) =>
  setting((value) => {
    const parsed = URL.parse(value);
    if (!parsed || !protocols.includes(parsed.protocol)) {
      throw new Error(`must be a URL that starts with ${protocols.map((each) => `${each}//`).join(' or ')}`);
    }
    return value;
  });

const items = (value: string): string[] =>
  value
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');

function whole(value: string, min: number, max: number): number {
  const number = /^-?\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) throw new Error(`must be a whole number from ${min} to ${max}`);
  return number;
}

function choose<const T extends readonly string[]>(value: string, values: T): T[number] {
  if (!values.includes(value)) throw new Error(`must be one of ${values.join(', ')}`);
  return value;
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function milliseconds(value: string, min: number, max: number): number {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(value);
  if (!match) throw new Error('must be a duration such as 250ms, 5s, 2m, 6h or 7d');
  const ms = Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
  if (ms < min || ms > max) throw new Error(`must be a duration from ${min} ms to ${max} ms`);
  return ms;
}
