import type { Statement } from './transaction.js';

/**
 * Arrays of parameters in PostgreSQL's binary format (array_send and array_recv in src/backend/utils/adt/arrayfuncs.c). As text
 * they are quoted here and parsed there, character by character, and bytes are sent as twice as many hexadecimal digits.
 */
interface ElementType {
  /** The type's number in pg_type. */
  readonly oid: number;
  size(value: unknown): number;
  /** Gives how many bytes it wrote. */
  write(buffer: Buffer, value: unknown, at: number): number;
}

/** A value that has no binary form here goes as text, and PostgreSQL says what it thinks of it. */
class NotEncodable extends Error {}

const bytesOf = (value: unknown): Buffer => {
  if (!Buffer.isBuffer(value)) throw new NotEncodable();
  return value;
};

const integerOf = (value: unknown, least: number, most: number): number => {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most) throw new NotEncodable();
  return value;
};

const bigintOf = (value: unknown): bigint => {
  const isWhole = typeof value === 'string' ? /^-?\d{1,19}$/.test(value) : Number.isSafeInteger(value);
  if (typeof value !== 'bigint' && !isWhole) throw new NotEncodable();
  const whole = BigInt(value as bigint | number | string);
  if (BigInt.asIntN(64, whole) !== whole) throw new NotEncodable();
  return whole;
};

/** Microseconds are counted from the year 2000. */
const POSTGRES_EPOCH_MS = Date.UTC(2000, 0, 1);

const microsecondsOf = (value: unknown): bigint => {
  const ms = value instanceof Date ? value.getTime() : typeof value === 'string' ? millisecondsOf(value) : NaN;
  if (Number.isNaN(ms)) throw new NotEncodable();
  return BigInt(ms - POSTGRES_EPOCH_MS) * 1000n;
};

/** Only what has a time zone and no more than milliseconds, and a day that each month has (JavaScript makes 30 February the 2nd of March). */
const ISO_TIME = /^\d{4}-\d\d-([01]\d|2[0-8])T\d\d:\d\d:\d\d(\.\d{1,3})?(Z|[+-]\d\d:\d\d)$/;
const millisecondsOf = (text: string): number => (ISO_TIME.test(text) ? Date.parse(text) : NaN);

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const fixed = (
  oid: number,
  bytes: number,
  write: (buffer: Buffer, value: unknown, at: number) => void,
): ElementType => ({
  oid,
  size: () => bytes,
  write: (buffer, value, at) => {
    write(buffer, value, at);
    return bytes;
  },
});

const INT8 = fixed(20, 8, (buffer, value, at) => buffer.writeBigInt64BE(bigintOf(value), at));
const INT4 = fixed(23, 4, (buffer, value, at) => buffer.writeInt32BE(integerOf(value, -(2 ** 31), 2 ** 31 - 1), at));
const INT2 = fixed(21, 2, (buffer, value, at) => buffer.writeInt16BE(integerOf(value, -(2 ** 15), 2 ** 15 - 1), at));

/** By the names that statements cast to. */
const TYPES: Readonly<Record<string, ElementType>> = {
  bigint: INT8,
  integer: INT4,
  smallint: INT2,
  boolean: fixed(16, 1, (buffer, value, at) => {
    if (typeof value !== 'boolean') throw new NotEncodable();
    buffer[at] = value ? 1 : 0;
  }),
  float8: fixed(701, 8, (buffer, value, at) => {
    if (typeof value !== 'number') throw new NotEncodable();
    // As text, -0 is 0.
    buffer.writeDoubleBE(value + 0, at);
  }),
  timestamptz: fixed(1184, 8, (buffer, value, at) => buffer.writeBigInt64BE(microsecondsOf(value), at)),
  uuid: fixed(2950, 16, (buffer, value, at) => {
    if (typeof value !== 'string' || !UUID.test(value)) throw new NotEncodable();
    buffer.write(value.replaceAll('-', ''), at, 16, 'hex');
  }),
  bytea: {
    oid: 17,
    size: (value) => bytesOf(value).length,
    write: (buffer, value, at) => (value as Buffer).copy(buffer, at),
  },
  text: {
    oid: 25,
    size: (value) => {
      if (typeof value !== 'string') throw new NotEncodable();
      return Buffer.byteLength(value);
    },
    write: (buffer, value, at) => buffer.write(value as string, at),
  },
};

/** Dimensions, whether there are NULLs, the elements' type; then of the one dimension its length and lower bound. */
const HEADER_BYTES = 20;

function encode(type: ElementType, values: readonly unknown[]): Buffer {
  let size = HEADER_BYTES + 4 * values.length;
  let nulls = 0;
  for (const value of values) {
    if (value === null || value === undefined) nulls = 1;
    else size += type.size(value);
  }
  const buffer = Buffer.allocUnsafe(size);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(nulls, 4);
  buffer.writeInt32BE(type.oid, 8);
  buffer.writeInt32BE(values.length, 12);
  buffer.writeInt32BE(1, 16);
  let at = HEADER_BYTES;
  for (const value of values) {
    const isNull = value === null || value === undefined;
    const length = isNull ? -1 : type.write(buffer, value, at + 4);
    buffer.writeInt32BE(length, at);
    at += 4 + Math.max(0, length);
  }
  return buffer;
}

/** What a statement casts its parameters to, by their position. */
const castsOf = new WeakMap<Statement, readonly (ElementType | undefined)[]>();

function readCasts(statement: Statement): readonly (ElementType | undefined)[] {
  const casts: (ElementType | undefined)[] = [];
  for (const [, position, name] of statement.text.matchAll(/\$(\d+)::(\w+)\[\]/g)) {
    casts[Number(position) - 1] = TYPES[name!];
  }
  return casts;
}

/**
 * The statement's values with its arrays in binary format, for every `$n::type[]` of a type that is known here. An empty array,
 * and one with a value that is not known to fit, stays as it is.
 */
export function withBinaryArrays(statement: Statement, values: readonly unknown[]): unknown[] {
  let casts = castsOf.get(statement);
  if (!casts) castsOf.set(statement, (casts = readCasts(statement)));
  return values.map((value, i) => {
    const type = casts[i];
    if (!type || !Array.isArray(value) || value.length === 0) return value;
    try {
      return encode(type, value);
    } catch (error) {
      if (error instanceof NotEncodable) return value;
      throw error;
    }
  });
}
