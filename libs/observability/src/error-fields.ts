/** Errors within errors are followed this far. */
const MAX_DEPTH = 4;

export interface ErrorFields {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string | number;
  readonly table?: string;
  readonly constraint?: string;
  readonly cause?: ErrorFields;
  readonly errors?: readonly ErrorFields[];
}

/**
 * What a log line says of an error: its kind, code, message and stack, and those of its causes. Drivers hang whatever they
 * had at hand on their errors (a statement's parameters, a row's values, a server's answer with the address in it), and
 * that is somebody's mail: nothing is taken that is not named here. Values that are not errors are left as they are.
 */
export function errorFields(error: unknown): unknown {
  return error instanceof Error ? fieldsOf(error, 0) : error;
}

function fieldsOf(error: Error, depth: number): ErrorFields {
  const { code, table, constraint, cause, errors } = error as Error & Record<string, unknown>;
  const message = messageOf(error, code);
  const deeper = (each: unknown): each is Error => each instanceof Error && depth < MAX_DEPTH;
  return {
    type: error.name === 'Error' ? error.constructor.name : error.name,
    message,
    ...(error.stack === undefined ? {} : { stack: stackOf(error.stack, error.message, message) }),
    ...(typeof code === 'string' || typeof code === 'number' ? { code } : {}),
    ...(typeof table === 'string' ? { table } : {}),
    ...(typeof constraint === 'string' ? { constraint } : {}),
    ...(deeper(cause) ? { cause: fieldsOf(cause, depth + 1) } : {}),
    ...(Array.isArray(errors)
      ? {
          errors: errors
            .filter(deeper)
            .slice(0, 3)
            .map((each) => fieldsOf(each, depth + 1)),
        }
      : {}),
  };
}

/** Two kinds of messages quote the data that they are about. */
function messageOf({ name, message }: Error, code: unknown): string {
  if (name === 'SyntaxError' && message.includes('JSON')) return 'The text is not valid JSON';
  // SQLSTATE class 22, data exception: `invalid input syntax for type uuid: "…"`.
  if (typeof code === 'string' && /^22[0-9A-Z]{3}$/.test(code)) return `PostgreSQL refuses a value (SQLSTATE ${code})`;
  return message;
}

/** A stack begins with the message. */
const stackOf = (stack: string, original: string, shown: string): string =>
  original === shown || original === '' ? stack : stack.replace(original, () => shown);
