import { createServer, type AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { javaVersion, takenPorts } from './preflight.ts';
import { readStackSettings } from './stack-settings.ts';
import { freePorts } from '../stack/ports.ts';
import { PORT_VARIABLES } from './stack-ports.ts';

it.each([
  ['openjdk version "17.0.15" 2025-04-15', 17],
  ['openjdk version "21" 2023-09-19', 21],
  ['java version "1.8.0_292"', 8],
  ['Picked up JAVA_TOOL_OPTIONS: -Dx=y\nopenjdk version "25.0.1" 2025-10-21', 25],
  ['something else', undefined],
])('reads the version of Java in %j', (output, version) => {
  expect(javaVersion(output)).toBe(version);
});

it('names a port that is in use, the part that needs it and the variable that moves it', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const free = await freePorts(PORT_VARIABLES.length);
  const environment = Object.fromEntries(PORT_VARIABLES.map((name, index) => [name, String(free[index])]));
  const { settings } = readStackSettings({ ...environment, POSTGRES_PORT: String(port) });
  expect(await takenPorts(settings.uses)).toEqual([
    `port ${port} (PostgreSQL) is in use: stop what uses it, or move ours with POSTGRES_PORT`,
  ]);
  server.close();
});
