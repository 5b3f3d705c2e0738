import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import type { Static, TSchema } from 'typebox';
import { isEmailAddress } from './email.js';
import { unsafeJson } from './json.js';
import { ZONED_DATE_TIME } from './zoned-time.js';

/** One thing that is wrong with a value: where (RFC 6901 JSON Pointer) and what, in words for the sender. */
export interface Violation {
  readonly pointer: string;
  readonly detail: string;
}

/**
 * A JSON Schema (2020-12) with the TypeScript type it describes and its compiled validator. One source serves the HTTP
 * body, the Kafka record, OpenAPI and the documents, so that what is published is exactly what is enforced.
 * It implements Standard Schema (`~standard`), which Nest's validation pipe and swagger read.
 */
export interface Contract<T extends TSchema = TSchema> {
  readonly schema: T;
  /** Every violation of the value; empty when it is valid. Never coerces, never adds defaults, never removes fields. */
  violations(value: unknown): Violation[];
  /** Narrows the value; use `violations` for the reasons. */
  accepts(value: unknown): value is Static<T>;
  readonly '~standard': StandardSchema<Static<T>>;
}

interface StandardSchema<T> {
  readonly version: 1;
  readonly vendor: 'bongsu';
  readonly types?: { readonly input: T; readonly output: T };
  validate(value: unknown): { value: T } | { issues: { message: string; path: string[] }[] };
  readonly jsonSchema: { input(): Record<string, unknown>; output(): Record<string, unknown> };
}

const addFormats = addFormatsModule as unknown as typeof addFormatsModule.default;

const ajv = new Ajv2020({
  allErrors: false, // one error is enough to refuse; all of them would let a hostile body cost time in proportion to its size
  strict: true,
  strictRequired: false,
  coerceTypes: false,
  useDefaults: false,
  removeAdditional: false,
  allowUnionTypes: true,
  discriminator: false,
});
addFormats(ajv, ['date-time', 'uri', 'uuid']);
ajv.addFormat('idn-email', { type: 'string', validate: isEmailAddress });
const isDateTime = ajv.compile({ type: 'string', format: 'date-time' });
ajv.addFormat('date-time-or-zoned', {
  type: 'string',
  validate: (text: string) => isDateTime(text) || ZONED_DATE_TIME.test(text),
});

/** Compiles a TypeBox schema once, at import. Throws when the schema itself is not valid under Ajv's strict mode. */
export function contract<T extends TSchema>(schema: T): Contract<T> {
  const validate = ajv.compile(schema) as ValidateFunction<Static<T>>;
  const violations = (value: unknown): Violation[] => {
    const unsafe = unsafeJson(value);
    if (unsafe) return [unsafe];
    return validate(value) ? [] : (validate.errors ?? []).map(describe);
  };
  const json = (): Record<string, unknown> => schema as Record<string, unknown>;
  return {
    schema,
    violations,
    accepts: (value): value is Static<T> => !unsafeJson(value) && validate(value),
    '~standard': {
      version: 1,
      vendor: 'bongsu',
      validate(value) {
        const found = violations(value);
        if (found.length === 0) return { value: value as Static<T> };
        return { issues: found.map(({ pointer, detail }) => ({ message: detail, path: pointerSegments(pointer) })) };
      },
      jsonSchema: { input: json, output: json },
    },
  };
}

/** A format's own name says nothing to a sender. */
const FORMATS: Readonly<Record<string, string>> = {
  'date-time': 'must be an RFC 3339 time with its offset, such as 2026-12-01T09:00:00+09:00',
  'date-time-or-zoned':
    'must be an RFC 3339 time with its offset, such as 2026-12-01T09:00:00+09:00, or a local time with its zone, such as 2027-03-28T09:00:00[Europe/Berlin]',
  'idn-email': 'must be an e-mail address',
  uuid: 'must be a UUID',
};

function describe(error: ErrorObject): Violation {
  const params = error.params as Record<string, unknown>;
  if (error.keyword === 'required') {
    return {
      pointer: `${error.instancePath}/${escapeSegment(String(params['missingProperty']))}`,
      detail: 'is required',
    };
  }
  if (error.keyword === 'additionalProperties') {
    const field = String(params['additionalProperty']);
    return { pointer: `${error.instancePath}/${escapeSegment(field.slice(0, 100))}`, detail: 'is not a known field' };
  }
  if (error.keyword === 'enum') {
    return {
      pointer: error.instancePath,
      detail: `must be one of ${(params['allowedValues'] as unknown[]).join(', ')}`,
    };
  }
  const words = error.keyword === 'format' ? FORMATS[String(params['format'])] : undefined;
  return { pointer: error.instancePath, detail: words ?? error.message ?? `violates ${error.keyword}` };
}

const escapeSegment = (segment: string): string => segment.replaceAll('~', '~0').replaceAll('/', '~1');

/** The segments of an RFC 6901 pointer, unescaped. */
export function pointerSegments(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}
