import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MIGRATIONS } from './migrations.js';

test.each(Object.keys(MIGRATIONS) as (keyof typeof MIGRATIONS)[])(
  'the doctor knows the migrations of %s',
  (service) => {
    const folder = join(import.meta.dirname, '..', '..', '..', service, 'src', 'database', 'migrations');
    const classes = readdirSync(folder)
      .toSorted()
      .flatMap((file) => {
        const name = /export class (\w+) implements MigrationInterface/.exec(
          readFileSync(join(folder, file), 'utf8'),
        )?.[1];
        return name === undefined ? [] : [name];
      });
    expect(MIGRATIONS[service]).toEqual(classes);
  },
);
