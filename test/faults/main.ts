/**
 * The fault suite (docs/faults.md): `npm run test:faults [-- --seed N --only 8,12 --notifications N --rate N --report FILE]`.
 * This file only lets Node run the sources of libs/ and test/ as they are; suite.ts has the rest.
 */
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';

const LIBS = pathToFileURL(join(import.meta.dirname, '..', '..', 'libs')).href;

registerHooks({
  resolve(specifier, context, next) {
    const [, lib] = /^@bongsu\/([\w-]+)$/.exec(specifier) ?? [];
    if (lib !== undefined) return next(`${LIBS}/${lib}/src/index.ts`, context);
    const isOurs = /^\.\.?\//.test(specifier) && context.parentURL?.includes('/node_modules/') === false;
    return next(isOurs ? specifier.replace(/\.js$/, '.ts') : specifier, context);
  },
});

const { runSuite } = await import('./suite.ts');
// Whatever is still open, such as a connection of a fault that failed, must not keep it from ending.
process.exit(await runSuite(process.argv.slice(2)));
