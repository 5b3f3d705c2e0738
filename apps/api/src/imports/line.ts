import { hash } from 'node:crypto';
import { BongsuError, NotificationRequest, type RawRecord } from '@bongsu/contracts';
import { invalidBody, MAX_BODY_BYTES } from '@bongsu/http';

/** A line of the imports topic: the body of POST /v1/notifications, and whose it is. */
export interface ImportedLine {
  readonly tenant: string;
  readonly request: NotificationRequest;
  /** Twice the same is one notification. */
  readonly idempotencyKey: string;
}

/** The record header that names the tenant: whoever may write the topic may write for any tenant. */
const TENANT_HEADER = 'tenant';
const TENANT = /^\P{Cc}{1,64}$/u;
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads a line. Beside the fields of a request it may have `idempotencyKey`; without one the line's own text is its key,
 * because whoever copies lines into Kafka copies the last ones again after a crash.
 * @returns undefined for a blank line
 * @throws BongsuError that says what keeps the line from being a request
 */
export function readLine(raw: RawRecord): ImportedLine | undefined {
  if (!raw.value) throw new BongsuError('record_value_missing');
  if (raw.value.length > MAX_BODY_BYTES) throw new BongsuError('body_too_large');
  const text = decode(raw.value).trim();
  if (text === '') return undefined;
  const tenant = tenantOf(raw);
  const { idempotencyKey = `line:${hash('sha256', text, 'hex')}`, ...request } = parseObject(text);
  if (typeof idempotencyKey !== 'string' || !IDEMPOTENCY_KEY.test(idempotencyKey))
    throw invalidBody({ pointer: '/idempotencyKey', detail: 'must be 1 to 255 visible ASCII characters' });
  const violations = NotificationRequest.violations(request);
  if (violations.length > 0) throw invalidBody(...violations);
  return { tenant, request: request as NotificationRequest, idempotencyKey };
}

function tenantOf({ headers }: RawRecord): string {
  const found = headers.filter(([name]) => name === TENANT_HEADER);
  const tenant = found.length === 1 ? found[0]?.[1].toString('utf8') : undefined;
  if (tenant === undefined || !TENANT.test(tenant))
    throw new BongsuError('record_headers_invalid', 'One header tenant is needed, of 1 to 64 characters');
  return tenant;
}

function decode(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new BongsuError('record_not_json', undefined, { cause });
  }
}

function parseObject(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BongsuError('record_not_json', undefined, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidBody({ pointer: '', detail: 'must be an object' });
  return value as Record<string, unknown>;
}
