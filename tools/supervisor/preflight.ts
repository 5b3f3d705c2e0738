import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { jarsAreCached } from '../stack/jars.ts';
import { javaCommand } from '../stack/java.ts';
import { portInUse } from '../stack/ports.ts';
import type { PortUse } from './stack-ports.ts';

const LEAST_JAVA = 17;

/** What this machine lacks for the stack, one sentence each; empty when nothing does. */
export async function missingPrograms(): Promise<string[]> {
  const [java, maven] = await Promise.all([
    javaProblem(),
    jarsAreCached().then((cached) => (cached ? undefined : mavenProblem())),
  ]);
  return [java, maven].filter((problem) => problem !== undefined);
}

/** Which ports are not free, each with the part that needs it and the variable that moves it. */
export async function takenPorts(uses: readonly PortUse[]): Promise<string[]> {
  const taken = await Promise.all(uses.map(async (use) => ((await portInUse(use.port)) ? [use] : [])));
  return taken
    .flat()
    .map(
      ({ variable, port, what }) =>
        `port ${port} (${what}) is in use: stop what uses it, or move ours with ${variable}`,
    );
}

async function javaProblem(): Promise<string | undefined> {
  const command = javaCommand();
  const help = `Java ${LEAST_JAVA} or newer runs Kafka and ZooKeeper`;
  try {
    // Java prints its version to stderr: `openjdk version "17.0.15" 2025-04-15`, and before Java 9 `"1.8.0_292"`.
    const { stderr } = await promisify(execFile)(command, ['-version']);
    const version = javaVersion(stderr);
    if (version === undefined || version >= LEAST_JAVA) return undefined;
    return `${help}; ${command} is Java ${version} (another one may be named by JAVA_HOME)`;
  } catch {
    return `${help}; ${command} cannot be run (install one, for example openjdk-17-jre-headless, or set JAVA_HOME)`;
  }
}

/** The major version in what `java -version` prints; undefined when it prints something else. */
export function javaVersion(output: string): number | undefined {
  const [, first, second] = /version "(\d+)(?:\.(\d+))?/.exec(output) ?? [];
  if (first === undefined) return undefined;
  return Number(first === '1' && second !== undefined ? second : first);
}

async function mavenProblem(): Promise<string | undefined> {
  try {
    await promisify(execFile)('mvn', ['-v']);
    return undefined;
  } catch {
    return 'Maven fetches Kafka and ZooKeeper at the first start; mvn cannot be run (install it, for example the package maven)';
  }
}
