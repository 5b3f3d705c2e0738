import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ServiceProcess } from '@bongsu/testing';
import type { SecureSystem } from './system.js';

export async function metricsOf(service: ServiceProcess): Promise<string> {
  return (await fetch(`${service.managementUrl}/metrics`)).text();
}

/** Every secret that the system runs on, or was tried with, by the file that it is in. */
export async function secretsOf(system: SecureSystem, others: readonly string[]): Promise<Map<string, string>> {
  const secrets = new Map<string, string>([
    ['a next password', 'canary-next-password'],
    ['a wrong password', 'canary-wrong-password'],
  ]);
  for (const folder of [system.secrets.folder, ...others]) {
    for (const name of await readdir(folder)) {
      if (!/(\.password|\.key|^api-key|-secret|-key)$/.test(name)) continue;
      const text = (await readFile(join(folder, name), 'utf8')).trim();
      // Of a PEM file its middle: the rest is the same in each.
      const value = text.startsWith('-----') ? text.split('\n')[1] : text;
      if (value) secrets.set(join(folder, name), value);
    }
  }
  return secrets;
}
