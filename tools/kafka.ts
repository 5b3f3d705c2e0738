/** `npm run -s kafka -- kafka-topics --list`: Kafka's own tools, against the local stack unless told otherwise (docs/kafka.md). */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { STOCK_TOOLS, stockTool } from './kafka/stock-tools.ts';
import { resolveToolJars } from './stack/jars.ts';
import { javaCommand } from './stack/java.ts';

const LOG4J = join(import.meta.dirname, '..', 'infra', 'kafka', 'tools-log4j.properties');

const tool = stockTool(process.argv.slice(2), `127.0.0.1:${process.env['KAFKA_PORT']?.trim() || '9092'}`);
if (!tool) {
  console.error(`npm run -s kafka -- TOOL …, with one of\n  ${STOCK_TOOLS.join('\n  ')}`);
  process.exitCode = 2;
} else {
  const classpath = await resolveToolJars((line) => console.error(line));
  const flags = [
    '-Xmx256m',
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    `-Dlog4j.configuration=${pathToFileURL(LOG4J).href}`,
  ];
  const child = spawn(javaCommand(), [...flags, '-cp', classpath, tool.mainClass, ...tool.args], { stdio: 'inherit' });
  // A Ctrl-C reaches both; the tool ends in its own way (a console consumer says how much it has read).
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.once('error', (error) => {
    console.error(`Java cannot be run: ${error.message}`);
    process.exitCode = 1;
  });
  child.once('exit', (code) => (process.exitCode = code ?? 1));
}
