import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { integer, optional, port, readSettings, secret, SettingsError, text } from './settings.js';
import { databaseSettings, KAFKA_SETTINGS } from './shared-settings.js';

let folder: string;
const written = (name: string, content: string): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'bongsu-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const spec = { PORT: port('where it listens', '3000'), TOKEN: optional(secret(text('a secret'))) };

describe('a secret from a file', () => {
  it('is what the file holds, without the line end that editors add', () => {
    expect(readSettings(spec, { TOKEN_FILE: written('token', 'hunter2\n') })).toEqual({ PORT: 3000, TOKEN: 'hunter2' });
  });

  it('wins over a default', () => {
    const url = 'postgres://someone:word@db/bongsu';
    const settings = readSettings(databaseSettings('api'), { DATABASE_URL_FILE: written('url', url) });
    expect(settings.DATABASE_URL).toBe(url);
  });

  it('is for secrets alone, so that KAFKA_SSL_CA_FILE stays the name of a file', () => {
    expect(readSettings(spec, { PORT_FILE: written('port', '8080') })).toEqual({ PORT: 3000 });
    const settings = readSettings(KAFKA_SETTINGS, { KAFKA_SSL_CA_FILE: '/nowhere/ca.pem' });
    expect(settings.KAFKA_SSL_CA_FILE).toBe('/nowhere/ca.pem');
  });

  it('may be an empty variable, which counts as not set', () => {
    expect(readSettings(spec, { TOKEN_FILE: '', TOKEN: 't' })).toEqual({ PORT: 3000, TOKEN: 't' });
    const both = { TOKEN_FILE: written('token', 'f'), TOKEN: '' };
    expect(readSettings(spec, both)).toEqual({ PORT: 3000, TOKEN: 'f' });
  });

  it.each([
    ['both are set', () => ({ TOKEN: 'x', TOKEN_FILE: written('token', 'y') }), /TOKEN and TOKEN_FILE are both set/],
    ['it is not there', () => ({ TOKEN_FILE: join(folder, 'missing') }), /TOKEN_FILE cannot be read: ENOENT.*missing/],
    ['it is a folder', () => ({ TOKEN_FILE: folder }), /TOKEN_FILE cannot be read: EISDIR/],
    ['it is empty', () => ({ TOKEN_FILE: written('token', ' \n') }), /TOKEN_FILE names an empty file: /],
  ])('stops the start when %s', (_, env, problem) => {
    expect(() => readSettings(spec, env())).toThrow(problem);
    expect(() => readSettings(spec, { ...env(), PORT: '0' })).toThrow(/PORT must be/);
  });

  it('is not shown when it is not valid', () => {
    const read = () =>
      readSettings({ TOKEN: secret(integer(0, 1)('a number')) }, { TOKEN_FILE: written('token', 'hunter2') });
    expect(read).toThrow(SettingsError);
    expect(read).not.toThrow(/hunter2/);
  });
});
