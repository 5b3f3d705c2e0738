import { hash } from 'node:crypto';

/**
 * SHA-256 of a JSON value in one spelling: field names sorted, no blanks. Two bodies that say the same, in another order
 * or with other blanks, have the same hash. The value's depth has been checked before (contracts' unsafeJson).
 */
export const hashJson = (value: unknown): Buffer => hash('sha256', canonical(value), 'buffer');

function canonical(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}
