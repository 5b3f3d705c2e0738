#!/usr/bin/env node
// Starts the built CLI. Kept to syntax that old versions of Node can read, so that they get a sentence and not a SyntaxError.
import { existsSync } from 'node:fs';
import module from 'node:module';
import { fileURLToPath } from 'node:url';

const NEEDED = 24;
const CANNOT_START = 3; // the same as "could not be reached": nothing was done

const main = new URL('../dist/apps/cli/src/main.js', import.meta.url);
if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `bongsu needs Node ${NEEDED} or newer and was started by Node ${process.versions.node}.\n` +
      `In the repository, "npx bongsu" brings its own Node (npm ci installs it).\n`,
  );
  process.exitCode = CANNOT_START;
} else if (!existsSync(fileURLToPath(main))) {
  process.stderr.write(
    'bongsu is not built yet. Build it with "npm run build" (or "npx nest build cli") in the repository.\n',
  );
  process.exitCode = CANNOT_START;
} else {
  module.enableCompileCache(); // a third of the time of a short command is compiling
  const { main: run } = await import(main.href);
  await run(process.argv.slice(2));
}
