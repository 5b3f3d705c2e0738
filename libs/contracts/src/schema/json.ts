import type { Violation } from './schema.js';

/** Deeper than any notification needs; PostgreSQL's and other readers' parsers recurse, so depth is a cost we set here. */
const MAX_DEPTH = 32;

/**
 * JSON that parses and still cannot be kept as it was sent: NUL and lone surrogates (PostgreSQL refuses the one, UTF-8
 * has no form for the other), numbers that JavaScript would change (1e400 becomes null, 2^53+1 becomes 2^53), and nesting
 * that would make a later reader overflow its stack. Returns the first such place, or undefined.
 * Iterative on purpose: the hostile input is the deeply nested one.
 */
export function unsafeJson(root: unknown): Violation | undefined {
  if (typeof root !== 'object' || root === null) return unsafeScalar(root, '');
  const stack: { value: object; pointer: string; depth: number }[] = [{ value: root, pointer: '', depth: 1 }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    if (top.depth > MAX_DEPTH) return { pointer: top.pointer, detail: `is nested deeper than ${MAX_DEPTH} levels` };
    for (const [key, value] of Object.entries(top.value)) {
      // Whoever copies such a value field by field would change the copy's prototype.
      if (key === '__proto__')
        return { pointer: `${top.pointer}/__proto__`, detail: 'is not a name that a field may have' };
      const badKey = unsafeScalar(key, top.pointer);
      if (badKey) return { pointer: top.pointer, detail: `has a field name that ${badKey.detail}` };
      if (typeof value === 'object' && value !== null) {
        stack.push({ value: value as object, pointer: `${top.pointer}/${segment(key)}`, depth: top.depth + 1 });
      } else {
        const bad = unsafeScalar(value, '');
        if (bad) return { pointer: `${top.pointer}/${segment(key)}`, detail: bad.detail };
      }
    }
  }
  return undefined;
}

function unsafeScalar(value: unknown, pointer: string): Violation | undefined {
  if (typeof value === 'string') {
    if (value.includes('\0')) return { pointer, detail: 'contains a NUL character' };
    if (!value.isWellFormed()) return { pointer, detail: 'contains a lone surrogate, which has no form in UTF-8' };
  } else if (typeof value === 'number') {
    if (!Number.isFinite(value)) return { pointer, detail: 'is a number too large to be represented' };
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      return { pointer, detail: 'is an integer beyond 2^53 - 1; send it as a string' };
    }
  }
  return undefined;
}

const segment = (key: string): string => key.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1');
