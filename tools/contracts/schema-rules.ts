import { isDeepStrictEqual } from 'node:util';
import type { JsonSchema } from './snapshot.ts';

/**
 * Who is hurt: `old records` are refused by consumers of today, or `new records` by consumers of the release, which run on
 * beside (and after a rollback instead of) those of today.
 */
export type Hurts = 'old records' | 'new records';

/** One change of a schema that one side cannot live with. */
export interface SchemaFinding {
  /** JSON Pointer into the data; `*` stands for every item or name. */
  readonly field: string;
  readonly rule: string;
  readonly hurts: Hurts;
  readonly detail: string;
}

type Found = (rule: string, hurts: Hurts, detail: string) => void;

const LOWER_BOUNDS = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems', 'minProperties'];
const UPPER_BOUNDS = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems', 'maxProperties'];
/** What says nothing about which values are valid. */
const ANNOTATIONS = ['title', 'description', 'examples', 'default', 'deprecated', '$comment'];
/** Formats of which the second takes everything that the first takes. */
const WIDER_FORMATS: readonly (readonly [string, string])[] = [['date-time', 'date-time-or-zoned']];
const RULED = new Set([
  ...LOWER_BOUNDS,
  ...UPPER_BOUNDS,
  ...ANNOTATIONS,
  'type',
  'enum',
  'const',
  'pattern',
  'format',
  'uniqueItems',
  'required',
  'properties',
  'patternProperties',
  'additionalProperties',
  'items',
]);

/**
 * What changed between a released schema and today's that a consumer would notice: a record of the one that the other
 * refuses, or a field that is gone. Knows the keywords that the contracts use; a change of any other one is reported, as
 * nobody has decided what it means.
 */
export function compareSchemas(released: JsonSchema, today: JsonSchema, field = ''): SchemaFinding[] {
  const findings: SchemaFinding[] = [];
  const found: Found = (rule, hurts, detail) => findings.push({ field: field || '/', rule, hurts, detail });
  compareTypes(released, today, found);
  compareValues(released, today, found);
  compareBounds(released, today, found);
  compareTexts(released, today, found);
  compareOther(released, today, found);
  findings.push(...compareFields(released, today, field), ...compareParts(released, today, field));
  return findings;
}

function compareTypes(released: JsonSchema, today: JsonSchema, found: Found): void {
  const before = typesOf(released);
  const now = typesOf(today);
  const detail = `type was ${before.join(' or ')} and is ${now.join(' or ')}`;
  if (!within(before, now)) found('type-narrowed', 'old records', detail);
  if (!within(now, before)) found('type-widened', 'new records', detail);
}

const within = (a: readonly string[], b: readonly string[]): boolean =>
  a.every((type) => b.includes(type) || (type === 'integer' && b.includes('number')));
const ANY = ['null', 'boolean', 'number', 'string', 'array', 'object'];
const typesOf = ({ type }: JsonSchema): readonly string[] =>
  type === undefined ? ANY : Array.isArray(type) ? (type as string[]) : [type as string];

function compareValues(released: JsonSchema, today: JsonSchema, found: Found): void {
  const before = valuesOf(released);
  const now = valuesOf(today);
  const removed = missing(now, before);
  const added = missing(before, now);
  if (removed.length > 0) found('value-removed', 'old records', `${removed.join(', ')} is allowed no more`);
  if (added.length > 0) found('value-added', 'new records', `${added.join(', ')} was not allowed`);
}

const missing = (from: readonly string[] | undefined, values: readonly string[] | undefined): string[] =>
  from === undefined ? [] : (values?.filter((value) => !from.includes(value)) ?? ['any other value']);
const valuesOf = (schema: JsonSchema): readonly string[] | undefined =>
  'const' in schema
    ? [JSON.stringify(schema['const'])]
    : (schema['enum'] as unknown[] | undefined)?.map((value) => JSON.stringify(value));

function compareBounds(released: JsonSchema, today: JsonSchema, found: Found): void {
  for (const keyword of [...LOWER_BOUNDS, ...UPPER_BOUNDS]) {
    const none = LOWER_BOUNDS.includes(keyword) ? -Infinity : Infinity;
    const before = (released[keyword] as number | undefined) ?? none;
    const now = (today[keyword] as number | undefined) ?? none;
    if (before === now) continue;
    const detail = `${keyword} was ${bound(before)} and is ${bound(now)}`;
    if (LOWER_BOUNDS.includes(keyword) === now > before) found('bound-narrowed', 'old records', detail);
    else found('bound-widened', 'new records', detail);
  }
  const unique = [released['uniqueItems'] === true, today['uniqueItems'] === true];
  if (!unique[0] && unique[1]) found('bound-narrowed', 'old records', 'items must be unique now');
  if (unique[0] && !unique[1]) found('bound-widened', 'new records', 'items may repeat now');
}

const bound = (value: number): string => (Number.isFinite(value) ? String(value) : 'none');

/** Which of two patterns takes more cannot be told, so a changed one hurts both. */
function compareTexts(released: JsonSchema, today: JsonSchema, found: Found): void {
  for (const keyword of ['pattern', 'format'] as const) {
    const before = released[keyword] as string | undefined;
    const now = today[keyword] as string | undefined;
    if (before === now) continue;
    const detail = `${keyword} was ${before ?? 'none'} and is ${now ?? 'none'}`;
    if (now !== undefined && !isWider(before, now)) found(`${keyword}-narrowed`, 'old records', detail);
    if (before !== undefined && !isWider(now, before)) found(`${keyword}-widened`, 'new records', detail);
  }
}

const isWider = (format: string | undefined, than: string): boolean =>
  WIDER_FORMATS.some(([narrow, wide]) => narrow === format && wide === than);

function compareOther(released: JsonSchema, today: JsonSchema, found: Found): void {
  for (const keyword of new Set([...Object.keys(released), ...Object.keys(today)])) {
    if (RULED.has(keyword) || isDeepStrictEqual(released[keyword], today[keyword])) continue;
    const detail = `no rule says what a change of "${keyword}" means; give it one in tools/contracts/schema-rules.ts`;
    found('unknown-change', 'old records', detail);
  }
}

type Fields = Readonly<Record<string, JsonSchema>>;
const fieldsOf = (schema: JsonSchema): Fields => (schema['properties'] ?? {}) as Fields;
const requiredOf = (schema: JsonSchema): readonly string[] => (schema['required'] ?? []) as readonly string[];

function compareFields(released: JsonSchema, today: JsonSchema, parent: string): SchemaFinding[] {
  const [before, now] = [fieldsOf(released), fieldsOf(today)];
  return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((name) => {
    const field = `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const findings: SchemaFinding[] = [];
    const found: Found = (rule, hurts, detail) => findings.push({ field, rule, hurts, detail });
    const [was, is] = [before[name], now[name]];
    const [wasRequired, isRequired] = [requiredOf(released).includes(name), requiredOf(today).includes(name)];
    if (isRequired && !wasRequired) found('field-required', 'old records', 'need not be there, and must be now');
    if (was && is) {
      if (wasRequired && !isRequired) found('field-optional', 'new records', 'must be there, and may be missing now');
      findings.push(...compareSchemas(was, is, field));
    } else if (was) {
      found('field-removed', 'new records', wasRequired ? 'was there always' : 'was there sometimes');
      if (isClosed(today)) found('field-removed', 'old records', 'is not a known field any more');
    } else if (isClosed(released)) {
      found('field-added', 'new records', 'is new in an object that takes no unknown fields');
    }
    return findings;
  });
}

const isClosed = (schema: JsonSchema): boolean => schema['additionalProperties'] === false;

/** Items, fields by pattern, and all other fields. */
function compareParts(released: JsonSchema, today: JsonSchema, parent: string): SchemaFinding[] {
  const findings: SchemaFinding[] = [];
  const field = `${parent}/*`;
  const compare = (was: unknown, is: unknown): void => {
    const [before, now] = [asSchema(was), asSchema(is)];
    // Also where it ends: what takes everything has parts that take everything.
    if (isDeepStrictEqual(before, now)) return;
    if (now === 'nothing')
      findings.push({ field, rule: 'closed', hurts: 'old records', detail: 'other fields are refused now' });
    else if (before === 'nothing')
      findings.push({ field, rule: 'opened', hurts: 'new records', detail: 'other fields were refused' });
    else findings.push(...compareSchemas(before, now, field));
  };
  compare(released['items'], today['items']);
  compare(released['additionalProperties'], today['additionalProperties']);
  const [before, now] = [released, today].map(({ patternProperties = {} }) => patternProperties as Fields) as [
    Fields,
    Fields,
  ];
  for (const [pattern, was] of Object.entries(before)) {
    const is = now[pattern];
    if (is) findings.push(...compareSchemas(was, is, field));
  }
  const [names, newNames] = [before, now].map((fields) => Object.keys(fields).toSorted().join(' ')) as [string, string];
  if (names !== newNames) {
    const detail = `names of fields were ${names || 'any'} and are ${newNames || 'any'}`;
    for (const hurts of ['old records', 'new records'] as const)
      findings.push({ field, rule: 'names-changed', hurts, detail });
  }
  return findings;
}

/** `true`, and what is not there, takes everything; `false` nothing. */
const asSchema = (schema: unknown): JsonSchema | 'nothing' =>
  schema === false ? 'nothing' : typeof schema === 'object' && schema !== null ? (schema as JsonSchema) : {};
