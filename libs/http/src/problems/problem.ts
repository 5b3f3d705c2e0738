import { BongsuError, ERRORS, type ErrorCode, type Violation } from '@bongsu/contracts';

/** What is wrong with one field of the body (`pointer`, RFC 6901) or one parameter (`parameter`). */
export type ProblemItem = Violation | { readonly parameter: string; readonly detail: string };

/** An error that says which fields are wrong, or that needs headers of its own in the answer. */
export class HttpProblem extends BongsuError {
  readonly errors: readonly ProblemItem[];
  readonly headers: Readonly<Record<string, string>>;
  constructor(
    code: ErrorCode,
    detail?: string,
    extra: { errors?: readonly ProblemItem[]; headers?: Record<string, string> } = {},
  ) {
    super(code, detail);
    this.name = 'HttpProblem';
    this.errors = extra.errors ?? [];
    this.headers = extra.headers ?? {};
  }
}

/** 422 for a body that is JSON and says something that cannot be done; one item per field. */
export const invalidBody = (...errors: Violation[]): HttpProblem =>
  new HttpProblem(
    'validation_failed',
    errors.map(({ pointer, detail }) => `${pointer || 'the body'} ${detail}`).join('; '),
    { errors },
  );

/** 400 for a query or path parameter. */
export const invalidParameter = (parameter: string, detail: string): HttpProblem =>
  new HttpProblem('invalid_parameter', `${parameter} ${detail}`, { errors: [{ parameter, detail }] });

/** RFC 9457 problem details. `code` is stable and meant for programs; `title` and `detail` are for people. */
export interface ProblemBody {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly detail: string;
  readonly requestId: string;
  readonly errors?: readonly ProblemItem[];
}

export const PROBLEM_TYPE = 'application/problem+json';

/** Seconds after which a request that failed for the moment may be tried again. */
const RETRY_AFTER_SECONDS = '1';

export function problemBody(error: BongsuError, requestId: string): ProblemBody {
  const { status, title } = ERRORS[error.code];
  const errors = error instanceof HttpProblem && error.errors.length > 0 ? { errors: error.errors } : {};
  return {
    type: `urn:bongsu:problem:${error.code}`,
    title,
    status,
    code: error.code,
    detail: error.message,
    requestId,
    ...errors,
  };
}

/** Headers that the answer to an error carries besides its content type. */
export function problemHeaders(error: BongsuError): Record<string, string> {
  const { status, retryable } = ERRORS[error.code];
  return {
    ...(retryable && status === 503 ? { 'retry-after': RETRY_AFTER_SECONDS } : {}),
    ...(error.code === 'unauthenticated' ? { 'www-authenticate': 'Bearer realm="bongsu"' } : {}),
    // The rest of a body that did not arrive in time must not be read as the next request.
    ...(error.code === 'request_timeout' ? { connection: 'close' } : {}),
    ...(error instanceof HttpProblem ? error.headers : {}),
  };
}
