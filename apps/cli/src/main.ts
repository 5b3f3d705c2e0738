import { stripVTControlCharacters } from 'node:util';
import { defineCommand, renderUsage, runCommand, type CommandDef } from 'citty';
import { SettingsError } from '@bongsu/config';
import { CommandFailure, EXIT, UsageError, type ExitCode } from './command-line/exit.js';

// Loaded when they are called for: the Kafka client alone would triple the time that `bongsu send` takes to start.
const bongsu = defineCommand({
  meta: { name: 'bongsu', description: 'Sends notifications and looks after the system that delivers them' },
  subCommands: {
    send: () => import('./send/command.js').then((module) => module.send),
    status: () => import('./status/command.js').then((module) => module.status),
    topics: () => import('./topics/command.js').then((module) => module.topics),
    'dead-letters': () => import('./dead-letters/command.js').then((module) => module.deadLetters),
    access: () => import('./access/command.js').then((module) => module.access),
    audit: () => import('./audit/command.js').then((module) => module.audit),
    doctor: () => import('./doctor/command.js').then((module) => module.doctor),
  },
}) as CommandDef;

interface Found {
  readonly command: CommandDef;
  readonly parent: CommandDef | undefined;
  readonly rest: string[];
  readonly path: string[];
}

/** Runs one command line and sets the process's exit code; the process then ends by itself, with its output written. */
export async function main(argv: string[]): Promise<void> {
  surviveBrokenPipes();
  process.exitCode = await run(argv);
}

async function run(argv: string[]): Promise<ExitCode> {
  const found = await find(argv);
  const group = found.command.subCommands !== undefined;
  const [first] = found.rest;
  if (found.rest.includes('--help') || found.rest.includes('-h')) {
    process.stdout.write(`${await help(found, process.stdout.isTTY)}\n`);
    return EXIT.ok;
  }
  try {
    if (group) throw new UsageError(first === undefined ? 'A command is needed' : `Unknown command '${first}'`);
    const { result } = await runCommand(found.command, { rawArgs: found.rest });
    return result as ExitCode;
  } catch (error) {
    return await explain(error, found);
  }
}

/** Walks down the tree of commands as far as the words go. */
async function find(argv: string[]): Promise<Found> {
  let found: Found = { command: bongsu, parent: undefined, rest: argv, path: [] };
  for (;;) {
    const [name, ...rest] = found.rest;
    const children = await resolved(found.command.subCommands);
    if (name === undefined || children === undefined || !Object.hasOwn(children, name)) return found;
    const command = (await resolved(children[name])) as CommandDef;
    found = { command, parent: found.command, rest, path: [...found.path, name] };
  }
}

async function resolved<T>(value: T | Promise<T> | (() => T) | (() => Promise<T>)): Promise<T> {
  return await (typeof value === 'function' ? (value as () => T | Promise<T>)() : value);
}

async function help({ command, path }: Found, colours: boolean): Promise<string> {
  const parents = ['bongsu', ...path.slice(0, -1)].join(' ');
  const text = await renderUsage(command, path.length === 0 ? undefined : { meta: { name: parents } });
  return colours ? text : stripVTControlCharacters(text);
}

async function explain(error: unknown, found: Found): Promise<ExitCode> {
  const isUsage = error instanceof UsageError || (error instanceof Error && error.name === 'CLIError');
  if (isUsage) {
    process.stderr.write(`${stripVTControlCharacters(error.message)}\n\n${await help(found, process.stderr.isTTY)}\n`);
    return EXIT.usage;
  }
  if (error instanceof SettingsError) {
    process.stderr.write(`${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof CommandFailure) {
    process.stderr.write(`${error.message}\n`);
    return error.exitCode;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.failed;
}

/** `bongsu status … | head -1`: the reader leaves, and Node would throw an unhandled EPIPE with a stack trace. */
function surviveBrokenPipes(): void {
  process.stdout.on('error', endOnBrokenPipe);
  process.stderr.on('error', endOnBrokenPipe);
}

function endOnBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.brokenPipe);
}
