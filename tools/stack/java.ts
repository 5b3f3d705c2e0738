import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Jars } from './jars.ts';

/** The Java program to run: the one of JAVA_HOME when it is set, else the first on the PATH. */
export function javaCommand(env: NodeJS.ProcessEnv = process.env): string {
  return env['JAVA_HOME'] ? join(env['JAVA_HOME'], 'bin', 'java') : 'java';
}

export interface JmxExporter {
  readonly port: number;
  /** Which beans become which metrics. */
  readonly rules: string;
}

/** Java's arguments for one of the two servers, up to and with its main class. */
export function javaArguments(
  jars: Jars,
  mainClass: string,
  options: { flags: readonly string[]; log4j: string; exporter: JmxExporter | undefined },
): string[] {
  const { flags, log4j, exporter } = options;
  return [
    ...flags,
    '-Djava.awt.headless=true',
    `-Dlog4j.configuration=${pathToFileURL(log4j).href}`,
    ...(exporter ? [`-javaagent:${jars.agent}=127.0.0.1:${exporter.port}:${exporter.rules}`] : []),
    '-cp',
    jars.classpath,
    mainClass,
  ];
}
