import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { transpile } from '../build/transpile.ts';
import type { Contracts } from './snapshot.ts';

/**
 * libs/contracts as it is in this checkout. Its sources are written for the services' build and cannot be run as they are,
 * so they are transpiled aside, below node_modules, where they find the packages that they import.
 */
export async function contractsOfToday(root: string): Promise<Contracts> {
  // A folder of this process: two checks may run at the same time.
  const output = join(root, 'node_modules', '.cache', 'contracts', String(process.pid));
  const source = join('libs', 'contracts', 'src', 'index');
  try {
    await transpile({
      root,
      tsconfig: join(root, 'tsconfig.json'),
      sources: [join(root, `${source}.ts`)],
      output,
    });
    await mkdir(output, { recursive: true });
    await writeFile(join(output, 'package.json'), '{ "type": "module" }\n');
    return (await import(pathToFileURL(join(output, `${source}.js`)).href)) as Contracts;
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}
