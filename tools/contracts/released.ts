import { globSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import type { Accepted } from './compatibility.ts';
import type { GoldenRecord, JsonSchema, Snapshot, TopicSnapshot } from './snapshot.ts';

const FOLDER = join(import.meta.dirname, '..', '..', 'libs', 'contracts', 'released');

/** What the file topics.json holds: schemas are named, and in files of their own. */
interface TopicsFile extends Pick<Snapshot, 'version' | 'at'> {
  readonly topics: readonly (Omit<TopicSnapshot, 'events'> & { readonly events: Readonly<Record<string, string>> })[];
}

/** Versions that were released, oldest first. */
export function releasedVersions(folder = FOLDER): string[] {
  return globSync('*/topics.json', { cwd: folder })
    .map((path) => dirname(path))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
}

/** @throws when a file is missing or is no JSON */
export async function readRelease(version: string, folder = FOLDER): Promise<Snapshot> {
  const home = join(folder, version);
  const { topics, ...rest } = await readJson<TopicsFile>(join(home, 'topics.json'));
  const schemas = new Map<string, JsonSchema>();
  for (const file of globSync('schemas/*.json', { cwd: home }))
    schemas.set(file.slice('schemas/'.length, -'.json'.length), await readJson(join(home, file)));
  const schema = (name: string): JsonSchema => {
    const found = schemas.get(name);
    if (!found) throw new Error(`${home}/schemas/${name}.json is missing`);
    return found;
  };
  return {
    ...rest,
    topics: topics.map(({ events, ...topic }) => ({
      ...topic,
      events: Object.fromEntries(Object.entries(events).map(([type, name]) => [type, schema(name)])),
    })),
    records: await readJson<GoldenRecord[]>(join(home, 'records.json')),
  };
}

/** @throws when the version is there already: a release never changes */
export async function writeRelease({ topics, records, ...rest }: Snapshot, folder = FOLDER): Promise<string[]> {
  const home = join(folder, rest.version);
  if (releasedVersions(folder).includes(rest.version))
    throw new Error(`${rest.version} is frozen already, in ${home}: what was released never changes`);
  const schemas = new Map<string, JsonSchema>();
  const file: TopicsFile = {
    ...rest,
    topics: topics.map(({ events, ...topic }) => ({
      ...topic,
      events: Object.fromEntries(
        Object.entries(events).map(([type, schema]) => {
          const name = (schema['title'] as string | undefined) ?? type;
          schemas.set(name, schema);
          return [type, name];
        }),
      ),
    })),
  };
  const files = [
    [join(home, 'topics.json'), file],
    [join(home, 'records.json'), records],
    ...[...schemas].map(([name, schema]) => [join(home, 'schemas', `${name}.json`), schema] as const),
  ] as const;
  for (const [path, content] of files) await writeJson(path, content);
  return files.map(([path]) => path);
}

/** Incompatible changes that were decided on. */
export const readAccepted = (folder = FOLDER): Promise<Accepted[]> => readJson(join(folder, 'accepted.json'));

async function readJson<T>(path: string): Promise<T> {
  return JSON.parse(await readFile(path, 'utf8')) as T;
}

/** As the format check wants it. */
async function writeJson(path: string, content: unknown): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const config = (await resolveConfig(path)) ?? {};
  await writeFile(path, await format(JSON.stringify(content, null, 2), { ...config, filepath: path }));
}
