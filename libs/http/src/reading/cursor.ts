import { invalidParameter } from '../problems/problem.js';

/**
 * A cursor says where a list goes on: the sort key of the last row, opaque to the caller. It holds nothing that the caller
 * did not just read and every query is scoped by tenant, so it is not signed; it is checked like any other input.
 */
export const encodeCursor = (parts: readonly string[]): string =>
  Buffer.from(JSON.stringify(parts)).toString('base64url');

/**
 * The parts of a cursor, each matching its pattern in full. Throws invalid_parameter (400) for anything that
 * `encodeCursor` would not have made of such parts.
 */
export function decodeCursor(cursor: string, ...patterns: readonly RegExp[]): string[] {
  const parts = parse(cursor);
  const valid =
    parts.length === patterns.length &&
    patterns.every((pattern, i) => pattern.test(parts[i]!)) &&
    encodeCursor(parts) === cursor;
  if (!valid) throw invalidParameter('cursor', 'is not one that this list gave out');
  return parts;
}

function parse(cursor: string): string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    if (Array.isArray(parts) && parts.every((part) => typeof part === 'string')) return parts;
  } catch {
    // Not a cursor: said below, in one way for all reasons.
  }
  return [];
}
