// Starts a tool that is written in TypeScript. This file is kept to what old versions of Node can read, so that they say
// what is wrong instead of "SyntaxError".
import { fileURLToPath } from 'node:url';

const NEEDED = 24;
const tool = process.argv[2];
const running = Number.parseInt(process.versions.node, 10);

if (running < NEEDED) {
  console.error(
    `Node ${NEEDED} or newer is needed, and this is Node ${process.versions.node}.\n` +
      'On Linux "npm ci" installs it beside the packages, and "npm run" and "npx" then use it; elsewhere install Node ' +
      `${NEEDED} yourself.`,
  );
  process.exitCode = 1;
} else {
  process.argv.splice(1, 2, fileURLToPath(new URL(`./${tool}.ts`, import.meta.url)));
  await import(`./${tool}.ts`);
}
