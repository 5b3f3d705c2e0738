import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import ts from 'typescript';

export interface Transpilation {
  /** The checkout: output paths are relative to it. */
  readonly root: string;
  readonly tsconfig: string;
  /** The app's own sources; what they import of the libs is added. */
  readonly sources: readonly string[];
  readonly output: string;
}

/**
 * Turns each source, and each that it imports, into JavaScript, one by one (`isolatedModules` makes that possible), and
 * the import of a lib by its name into one by its path: Node would look for `@bongsu/x` among the packages, where the
 * workspace's link leads to TypeScript.
 */
export async function transpile({ root, tsconfig, sources, output }: Transpilation): Promise<void> {
  const compilerOptions = readOptions(tsconfig);
  const seen = new Set<string>(sources);
  // A set goes on to what is added to it while it is walked.
  for (const source of seen) {
    const text = await readFile(source, 'utf8').catch((cause: unknown) => {
      throw new Error(`${relative(root, source)} is imported but cannot be read`, { cause });
    });
    const { code, imports } = withPathsOfLibs(source, text, root);
    for (const path of imports) seen.add(path);
    const result = ts.transpileModule(code, { compilerOptions, fileName: source, reportDiagnostics: true });
    const errors = result.diagnostics?.filter(({ category }) => category === ts.DiagnosticCategory.Error) ?? [];
    if (errors.length > 0) throw new Error(ts.formatDiagnostics(errors, formatHost(root)).trim());
    const target = join(output, relative(root, source)).replace(/\.ts$/, '.js');
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, result.outputText);
    if (result.sourceMapText) await writeFile(`${target}.map`, pointToSource(result.sourceMapText, source));
  }
}

function readOptions(tsconfig: string): ts.CompilerOptions {
  const { config, error } = ts.readConfigFile(tsconfig, (path) => ts.sys.readFile(path));
  if (error) throw new Error(ts.flattenDiagnosticMessageText(error.messageText, '\n'));
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, dirname(tsconfig));
  // One file alone does not show its package.json, and `nodenext` would take it for CommonJS.
  return { ...options, module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler };
}

function withPathsOfLibs(source: string, text: string, root: string): { code: string; imports: string[] } {
  const imports: string[] = [];
  let code = '';
  let copied = 0;
  for (const { fileName: name, pos } of ts.preProcessFile(text, true, true).importedFiles) {
    const path = pathOf(name, source, root);
    if (path === undefined) continue;
    imports.push(path);
    if (name.startsWith('.')) continue;
    // `pos` is where the opening quote is.
    code += text.slice(copied, pos + 1) + specifier(source, path);
    copied = pos + 1 + name.length;
  }
  return { code: code + text.slice(copied), imports };
}

/** The source that an import means, or undefined when it is a package. */
function pathOf(name: string, source: string, root: string): string | undefined {
  if (name.startsWith('.'))
    return name.endsWith('.js') ? join(dirname(source), name.replace(/\.js$/, '.ts')) : undefined;
  const lib = /^@bongsu\/([a-z-]+)$/.exec(name)?.[1];
  return lib === undefined ? undefined : join(root, 'libs', lib, 'src', 'index.ts');
}

function specifier(source: string, path: string): string {
  const way = relative(dirname(source), path).split(sep).join('/').replace(/\.ts$/, '.js');
  return way.startsWith('.') ? way : `./${way}`;
}

function pointToSource(map: string, source: string): string {
  return JSON.stringify({ ...(JSON.parse(map) as object), sources: [source], sourceRoot: '' });
}

function formatHost(root: string): ts.FormatDiagnosticsHost {
  return { getCanonicalFileName: (name) => name, getCurrentDirectory: () => root, getNewLine: () => '\n' };
}
