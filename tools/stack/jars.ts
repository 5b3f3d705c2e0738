import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { access, chmod, constants, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const ROOT = join(import.meta.dirname, '..', '..');
const POM = join(import.meta.dirname, 'pom.xml');
const TOOLS_POM = join(import.meta.dirname, '..', 'kafka', 'pom.xml');
const CONNECT_POM = join(import.meta.dirname, '..', 'connect', 'pom.xml');

export interface Jars {
  /** The folder that holds every jar of Kafka, ZooKeeper and their dependencies. */
  readonly directory: string;
  /** A Java class path over that folder. */
  readonly classpath: string;
  /** The JMX exporter's Java agent. */
  readonly agent: string;
}

/**
 * The jars that `pom.xml` pins, fetched by Maven once and kept under a name that is the pom's hash: a second start needs
 * neither Maven nor a network, and a changed pom fetches anew.
 * @throws with Maven's own words when they cannot be fetched
 */
export async function resolveJars(report: (line: string) => void = () => undefined): Promise<Jars> {
  const directory = await resolve(POM, 'kafka', () =>
    report('fetching Kafka and ZooKeeper with Maven (the first time only)'),
  );
  const agent = (await readdir(directory)).find((name) => name.startsWith('jmx_prometheus_javaagent'));
  if (!agent) throw new Error(`${directory} is incomplete: delete it and start again`);
  return { directory, classpath: join(directory, '*'), agent: join(directory, agent) };
}

/** The same for Kafka's command-line tools; gives the class path. */
export async function resolveToolJars(report: (line: string) => void): Promise<string> {
  const directory = await resolve(TOOLS_POM, 'kafka-tools', () =>
    report("fetching Kafka's tools with Maven (the first time only)"),
  );
  return join(directory, '*');
}

/** The same for Kafka Connect. */
export async function resolveConnectJars(report: (line: string) => void = () => undefined): Promise<string> {
  const directory = await resolve(CONNECT_POM, 'kafka-connect', () =>
    report('fetching Kafka Connect with Maven (the first time only)'),
  );
  return join(directory, '*');
}

async function resolve(pom: string, kind: string, onFetch: () => void): Promise<string> {
  const name = await cacheName(pom, kind);
  const found = await findCached(name);
  if (found !== undefined) return found;
  onFetch();
  const cache = await writableCache();
  await fetchInto(join(cache, name), cache, pom);
  return join(cache, name);
}

/** Whether the jars are there already, so that Maven is not needed. */
export async function jarsAreCached(): Promise<boolean> {
  return (await findCached(await cacheName(POM, 'kafka'))) !== undefined;
}

/** Fetched aside and renamed when complete: an interrupted download, or two at the same time, leaves nothing half done. */
async function fetchInto(directory: string, cache: string, pom: string): Promise<void> {
  const aside = await mkdtemp(join(cache, 'fetching-'));
  try {
    await promisify(execFile)(
      'mvn',
      ['-B', '-q', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${aside}`],
      { maxBuffer: 64 << 20 },
    );
    // mkdtemp made it for this user alone.
    await chmod(aside, 0o755);
    await rename(aside, directory);
  } catch (cause) {
    // Another start was faster: its jars are as good.
    if (await exists(directory)) return;
    const output =
      cause instanceof Error && 'stdout' in cause
        ? String(cause.stdout).trim().split('\n').slice(0, 12).join('\n')
        : '';
    throw new Error(`Maven could not fetch Kafka\n${output}`, { cause });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Beside the packages of this checkout, or, where that cannot be written to, in the user's cache. */
const CACHES = [join(ROOT, 'node_modules', '.cache', 'bongsu'), join(homedir(), '.cache', 'bongsu')];

async function cacheName(pom: string, kind: string): Promise<string> {
  const hash = createHash('sha256')
    .update(await readFile(pom))
    .digest('hex');
  return `${kind}-${hash.slice(0, 12)}`;
}

async function findCached(name: string): Promise<string | undefined> {
  for (const cache of CACHES) {
    const readable = await readdir(join(cache, name)).then(
      () => true,
      () => false,
    );
    if (readable) return join(cache, name);
  }
  return undefined;
}

async function writableCache(): Promise<string> {
  for (const cache of CACHES) {
    try {
      await mkdir(cache, { recursive: true });
      await access(cache, constants.W_OK);
      return cache;
    } catch {
      // Read-only: the next one.
    }
  }
  throw new Error(`there is no place for the Kafka jars: none of ${CACHES.join(', ')} can be written to`);
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
