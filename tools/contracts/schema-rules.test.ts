import { describe, expect, test } from 'vitest';
import { compareSchemas } from './schema-rules.ts';

const released = {
  type: 'object',
  required: ['id', 'count'],
  properties: {
    id: { type: 'string', format: 'uuid' },
    count: { type: 'integer', minimum: 1, maximum: 10 },
    status: { type: 'string', enum: ['new', 'done'] },
    name: { type: 'string', minLength: 1, maxLength: 64, pattern: '^[a-z]*$' },
    at: { type: 'string', format: 'date-time' },
    tags: { type: 'array', items: { type: 'string', maxLength: 8 }, minItems: 1, maxItems: 3, uniqueItems: true },
    inner: {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      additionalProperties: false,
    },
    labels: { type: 'object', patternProperties: { '^.{1,64}$': { type: 'string', maxLength: 512 } } },
  },
  additionalProperties: true,
};
type Released = typeof released;
type Mutable = Record<string, unknown>;

/** Today's schema: the released one with one thing changed. */
function mutated(change: (schema: Released & Mutable, fields: Record<keyof Released['properties'], Mutable>) => void) {
  const schema = structuredClone(released) as Released & Mutable;
  change(schema, schema.properties);
  return compareSchemas(released, schema).map(({ field, rule, hurts }) => `${field} ${rule}: ${hurts}`);
}
type Change = Parameters<typeof mutated>[0];

describe('a change that hurts somebody', () => {
  test.each<[what: string, Change, ...found: string[]]>([
    ['a required field is removed', (_, f) => delete (f as Mutable)['count'], '/count field-removed: new records'],
    ['an optional field is removed', (_, f) => delete (f as Mutable)['name'], '/name field-removed: new records'],
    ['a field becomes required', (s) => (s.required = ['id', 'count', 'name']), '/name field-required: old records'],
    [
      'a new field is required',
      (s, f) => {
        s.required = ['id', 'count', 'lane'];
        (f as Mutable)['lane'] = { type: 'string' };
      },
      '/lane field-required: old records',
    ],
    ['a field may be missing', (s) => (s.required = ['id']), '/count field-optional: new records'],
    [
      'another type',
      (_, f) => (f.name['type'] = 'integer'),
      '/name type-narrowed: old records',
      '/name type-widened: new records',
    ],
    ['a number for an integer', (_, f) => (f.count['type'] = 'number'), '/count type-widened: new records'],
    ['null as well', (_, f) => (f.at['type'] = ['string', 'null']), '/at type-widened: new records'],
    ['a value less', (_, f) => (f.status['enum'] = ['new']), '/status value-removed: old records'],
    ['a value more', (_, f) => (f.status['enum'] = ['new', 'done', 'lost']), '/status value-added: new records'],
    ['any value', (_, f) => delete f.status['enum'], '/status value-added: new records'],
    ['only certain values', (_, f) => (f.name['enum'] = ['a']), '/name value-removed: old records'],
    ['a higher minimum', (_, f) => (f.count['minimum'] = 2), '/count bound-narrowed: old records'],
    ['a lower minimum', (_, f) => (f.count['minimum'] = 0), '/count bound-widened: new records'],
    ['a lower maximum', (_, f) => (f.count['maximum'] = 9), '/count bound-narrowed: old records'],
    ['no maximum', (_, f) => delete f.count['maximum'], '/count bound-widened: new records'],
    ['a shorter text', (_, f) => (f.name['maxLength'] = 63), '/name bound-narrowed: old records'],
    ['a longer text', (_, f) => (f.name['maxLength'] = 65), '/name bound-widened: new records'],
    ['fewer items', (_, f) => (f.tags['maxItems'] = 2), '/tags bound-narrowed: old records'],
    ['no items', (_, f) => (f.tags['minItems'] = 0), '/tags bound-widened: new records'],
    ['items that repeat', (_, f) => delete f.tags['uniqueItems'], '/tags bound-widened: new records'],
    [
      'shorter items',
      (_, f) => (f.tags['items'] = { type: 'string', maxLength: 7 }),
      '/tags/* bound-narrowed: old records',
    ],
    [
      'another pattern',
      (_, f) => (f.name['pattern'] = '^[a-z0-9]*$'),
      '/name pattern-narrowed: old records',
      '/name pattern-widened: new records',
    ],
    ['no pattern', (_, f) => delete f.name['pattern'], '/name pattern-widened: new records'],
    ['no format', (_, f) => delete f.id['format'], '/id format-widened: new records'],
    ['a wider format', (_, f) => (f.at['format'] = 'date-time-or-zoned'), '/at format-widened: new records'],
    [
      'another format',
      (_, f) => (f.at['format'] = 'uri'),
      '/at format-narrowed: old records',
      '/at format-widened: new records',
    ],
    [
      'a new field where unknown ones are refused',
      (_, f) => ((f.inner['properties'] as Mutable)['c'] = { type: 'string' }),
      '/inner/c field-added: new records',
    ],
    [
      'a field removed where unknown ones are refused',
      (_, f) => delete (f.inner['properties'] as Mutable)['b'],
      '/inner/b field-removed: new records',
      '/inner/b field-removed: old records',
    ],
    ['an object is closed', (s) => (s.additionalProperties = false), '/* closed: old records'],
    ['an object is opened', (_, f) => (f.inner['additionalProperties'] = true), '/inner/* opened: new records'],
    [
      'shorter values of a map',
      (_, f) => (f.labels['patternProperties'] = { '^.{1,64}$': { type: 'string', maxLength: 99 } }),
      '/labels/* bound-narrowed: old records',
    ],
    [
      'other names in a map',
      (_, f) => (f.labels['patternProperties'] = { '^.{1,9}$': { type: 'string', maxLength: 512 } }),
      '/labels/* names-changed: old records',
      '/labels/* names-changed: new records',
    ],
    ['a keyword without a rule', (_, f) => (f.count['multipleOf'] = 2), '/count unknown-change: old records'],
  ])('%s', (_what, change, ...found) => {
    expect(mutated(change).toSorted()).toEqual(found.toSorted());
  });
});

describe('a change that hurts nobody', () => {
  test.each<[what: string, Change]>([
    ['nothing', () => undefined],
    ['a new optional field in an open object', (_, f) => ((f as Mutable)['lane'] = { type: 'string' })],
    [
      'a title, a description, examples',
      (_, f) => Object.assign(f.name, { title: 'a', description: 'b', examples: ['c'] }),
    ],
    ['the values in another order', (_, f) => (f.status['enum'] = ['done', 'new'])],
    ['the required fields in another order', (s) => (s.required = ['count', 'id'])],
  ])('%s', (_what, change) => {
    expect(mutated(change)).toEqual([]);
  });
});
