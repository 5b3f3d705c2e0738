/**
 * The closed list of error codes. The same code appears in problem+json, dead-letter headers, metrics and logs.
 * `status` is the HTTP status the API answers with; `retryable` says whether the same request may succeed later.
 */
export const ERRORS = {
  malformed_request: { status: 400, title: 'The request cannot be read', retryable: false },
  malformed_json: { status: 400, title: 'The body is not valid JSON', retryable: false },
  invalid_parameter: { status: 400, title: 'A parameter is invalid', retryable: false },
  unauthenticated: { status: 401, title: 'A valid API key is required', retryable: false },
  forbidden: { status: 403, title: 'The API key lacks the scope for this', retryable: false },
  not_found: { status: 404, title: 'There is nothing here', retryable: false },
  method_not_allowed: { status: 405, title: 'The method is not allowed here', retryable: false },
  request_timeout: { status: 408, title: 'The request did not arrive in time', retryable: true },
  already_ended: { status: 409, title: 'The notification has already ended', retryable: false },
  not_yet_signed: { status: 409, title: 'Not all of it is under a signed checkpoint yet', retryable: true },
  body_too_large: { status: 413, title: 'The body is too large', retryable: false },
  unsupported_media_type: { status: 415, title: 'The media type or encoding is not supported', retryable: false },
  validation_failed: { status: 422, title: 'The request is not valid', retryable: false },
  idempotency_key_reused: { status: 422, title: 'The Idempotency-Key was used with another body', retryable: false },
  headers_too_large: { status: 431, title: 'The headers are too large', retryable: false },
  rate_limited: { status: 429, title: 'Too many requests', retryable: true },
  internal_error: { status: 500, title: 'Something went wrong on our side', retryable: true },
  kafka_unavailable: { status: 503, title: 'Kafka does not acknowledge at the moment', retryable: true },
  producer_buffer_full: {
    status: 503,
    title: 'More requests wait for Kafka than memory is set aside for',
    retryable: true,
  },
  topic_unknown: { status: 503, title: 'A topic is missing in Kafka; see topics apply', retryable: true },
  database_unavailable: { status: 503, title: 'The database does not answer at the moment', retryable: true },
  read_model_behind: { status: 503, title: 'The read model has not caught up yet', retryable: true },
  shutting_down: { status: 503, title: 'The service is shutting down', retryable: true },
  // Why a record was dead-lettered; never an HTTP answer.
  record_key_missing: { status: 400, title: 'Need message key', retryable: false },
  record_value_missing: { status: 400, title: 'The record has no value', retryable: false },
  record_headers_invalid: { status: 400, title: 'A CloudEvents header is missing or invalid', retryable: false },
  record_not_json: { status: 400, title: 'The value is not JSON', retryable: false },
  record_type_unknown: { status: 400, title: 'The event type or version is not one of this topic', retryable: false },
  record_shape_invalid: { status: 400, title: "The value does not match its type's schema", retryable: false },
  record_too_large: { status: 413, title: 'The record is larger than the topic allows', retryable: false },
  handler_failed: { status: 500, title: 'The handler failed on this record again and again', retryable: false },
} as const satisfies Record<string, { status: number; title: string; retryable: boolean }>;

export type ErrorCode = keyof typeof ERRORS;

/** An error with a code of the closed list. `detail` is for the caller and never holds a secret or a payload. */
export class BongsuError extends Error {
  readonly code: ErrorCode;
  constructor(code: ErrorCode, detail?: string, options?: { cause?: unknown }) {
    super(detail ?? ERRORS[code].title, options);
    this.name = 'BongsuError';
    this.code = code;
  }
  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}
