import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { transpile } from './transpile.ts';

let root: string;
const MAIN = 'apps/api/src/main.ts';

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'bongsu-build-'));
  await write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        module: 'nodenext',
        moduleResolution: 'nodenext',
        target: 'es2024',
        verbatimModuleSyntax: true,
        isolatedModules: true,
        sourceMap: true,
        experimentalDecorators: true,
        emitDecoratorMetadata: true,
      },
    }),
  );
  await write('libs/contracts/src/index.ts', `export * from './ids.js';\n`);
  await write('libs/contracts/src/ids.ts', `export const id: string = '1';\nexport type Id = string;\n`);
  await write('libs/kafka/src/index.ts', `export const unused = 1;\n`);
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), text);
}
async function build(main: string): Promise<string> {
  await write(MAIN, main);
  await transpile({
    root,
    tsconfig: join(root, 'tsconfig.json'),
    sources: [join(root, MAIN)],
    output: join(root, 'out'),
  });
  return readFile(join(root, 'out', MAIN.replace('.ts', '.js')), 'utf8');
}

describe('a build', () => {
  it('imports libs by their path, whichever way they are imported, and leaves other text alone', async () => {
    const code = await build(`
      import { id, type Id } from '@bongsu/contracts';
      export { id as again } from "@bongsu/contracts";
      export const later = (): Promise<{ id: Id }> => import('@bongsu/contracts');
      export const text = "import '@bongsu/contracts'" + id;
    `);
    expect(code.match(/\.\.\/\.\.\/\.\.\/libs\/contracts\/src\/index\.js/g)).toHaveLength(3);
    expect(code).toContain(`"import '@bongsu/contracts'"`);
  });

  it('runs', async () => {
    await build(`import { id } from '@bongsu/contracts';\nexport const answer = { id };\n`);
    await write('out/package.json', '{"type":"module"}');
    const built = (await import(join(root, 'out', 'apps/api/src/main.js'))) as { answer: unknown };
    expect(built.answer).toEqual({ id: '1' });
  });

  it('takes along what is imported, and not what is not', async () => {
    await build(`import '@bongsu/contracts';`);
    await expect(readFile(join(root, 'out/libs/contracts/src/ids.js'), 'utf8')).resolves.toContain("id = '1'");
    await expect(readFile(join(root, 'out/libs/kafka/src/index.js'))).rejects.toThrow('ENOENT');
  });

  it('writes the types of constructor parameters down, for dependency injection', async () => {
    const code = await build(`
      const Injectable: ClassDecorator = () => undefined;
      export class Dependency {}
      @Injectable export class Service { constructor(readonly dependency: Dependency) {} }
    `);
    expect(code).toContain('__metadata("design:paramtypes", [Dependency])');
  });

  it('fails with the place for what is no TypeScript, and for an import of nothing', async () => {
    await expect(build('export const = 1;')).rejects.toThrow(/apps\/api\/src\/main\.ts\(1,14\)/);
    await expect(build(`import './nothing.js';`)).rejects.toThrow(
      'apps/api/src/nothing.ts is imported but cannot be read',
    );
  });
});
