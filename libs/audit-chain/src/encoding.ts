/** One field of an encoding: bytes, or null where there are none (which is not the same as zero bytes). */
export type Field = Buffer | null;

/** Written instead of a length for null; no field can be that long. */
const NULL_LENGTH = 0xffff_ffff;
const LENGTH_BYTES = 4;

/**
 * Concatenates fields, each behind its length (unsigned 32 bit, big endian). Two different lists of fields never give the
 * same bytes: without the lengths, ("ab", "c") and ("a", "bc") would, and with a separator, fields that contain it.
 * Throws a RangeError for a field of 4 GiB or more.
 */
export function encodeFields(fields: readonly Field[]): Buffer {
  let size = 0;
  for (const field of fields) size += LENGTH_BYTES + (field?.length ?? 0);
  const bytes = Buffer.allocUnsafe(size);
  let at = 0;
  for (const field of fields) {
    if (field !== null && field.length >= NULL_LENGTH) throw new RangeError('A field is too long to be encoded');
    at = bytes.writeUInt32BE(field?.length ?? NULL_LENGTH, at);
    if (field) at += field.copy(bytes, at);
  }
  return bytes;
}

/** The fields of an encoding. Throws a RangeError for bytes that `encodeFields` cannot have written. */
export function decodeFields(bytes: Buffer): Field[] {
  const fields: Field[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes.readUInt32BE(at);
    at += LENGTH_BYTES;
    if (length === NULL_LENGTH) {
      fields.push(null);
      continue;
    }
    if (at + length > bytes.length) throw new RangeError('A field is longer than what is left');
    fields.push(bytes.subarray(at, at + length));
    at += length;
  }
  return fields;
}

/** A whole number as 8 bytes, two's complement, big endian. Throws a RangeError outside of 64 bits. */
export function encodeInteger(value: bigint): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeBigInt64BE(value);
  return bytes;
}

/** A record's headers in their order; names may repeat, and a value may be null. */
export type Headers = readonly (readonly [name: string, value: Buffer | null])[];

/** Headers as fields: name, value, name, value, … These bytes are stored and hashed. */
export function encodeHeaders(headers: Headers): Buffer {
  return encodeFields(headers.flatMap(([name, value]) => [Buffer.from(name, 'utf8'), value]));
}

/** The headers of an encoding. Throws a RangeError for bytes that `encodeHeaders` cannot have written. */
export function decodeHeaders(bytes: Buffer): [name: string, value: Buffer | null][] {
  const fields = decodeFields(bytes);
  if (fields.length % 2 !== 0) throw new RangeError('A header has no value');
  const headers: [string, Buffer | null][] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i];
    if (!name) throw new RangeError('A header has no name');
    headers.push([name.toString('utf8'), fields[i + 1] ?? null]);
  }
  return headers;
}
