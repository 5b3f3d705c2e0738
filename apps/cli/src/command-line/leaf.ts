import { parseArgs } from 'node:util';
import { defineCommand, type ArgsDef, type CommandDef, type ParsedArgs } from 'citty';
import { UsageError, type ExitCode } from './exit.js';
import { Output } from './output.js';

const JSON_FLAG = { json: { type: 'boolean', description: 'Print the result as JSON' } } as const;

export interface Invocation<T extends ArgsDef> {
  readonly args: ParsedArgs<T>;
  /** All values of an option that may be given more than once, in order. */
  readonly all: (option: keyof T & string) => string[];
  readonly output: Output;
}

export interface Leaf<T extends ArgsDef> {
  readonly name: string;
  readonly description: string;
  readonly args: T;
  readonly run: (invocation: Invocation<T>) => Promise<ExitCode>;
}

/**
 * A command that does something. citty describes it (types, help), but drops unknown options in silence and knows no
 * repeatable ones: `send --chanel email` would send somewhere else. So node:util's strict parser reads the line first.
 */
export function leaf<const T extends ArgsDef>({ name, description, args, run }: Leaf<T>): CommandDef {
  const described = { ...args, ...JSON_FLAG };
  const command = defineCommand({
    meta: { name, description },
    args: described as ArgsDef,
    run: ({ rawArgs, args: parsed }) => {
      const values = strictly(rawArgs, described);
      return run({
        args: parsed as unknown as ParsedArgs<T>,
        all: (option) => values.get(option) ?? [],
        output: new Output(values.has('json')),
      });
    },
  });
  return command;
}

function strictly(rawArgs: string[], described: ArgsDef): Map<string, string[]> {
  const options: Record<string, { type: 'string' | 'boolean'; multiple: true }> = {};
  let positionals = 0;
  for (const [name, definition] of Object.entries(described)) {
    if (definition.type === 'positional') positionals++;
    else options[name] = { type: definition.type === 'boolean' ? 'boolean' : 'string', multiple: true };
  }
  try {
    const parsed = parseArgs({ args: rawArgs, options, strict: true, allowPositionals: true });
    const surplus = parsed.positionals[positionals];
    if (surplus !== undefined) throw new UsageError(`Unexpected argument '${surplus}'`);
    return new Map(
      Object.entries(parsed.values).map(([name, given]) => [name, (given as (string | boolean)[]).map(String)]),
    );
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    // Node adds a hint about '--' that nobody needs who mistyped an option.
    throw new UsageError((cause instanceof Error ? cause.message : String(cause)).split('. To specify')[0]!, { cause });
  }
}
