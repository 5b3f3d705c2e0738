import type { Outcome } from '../provider.js';

/** What nodemailer says of a failure: its own code, the SMTP command it happened at, the server's reply code. */
interface SmtpError {
  readonly code?: string;
  readonly command?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

/** A permanent reply to one of these is about this mail or its recipient; to any other it is about us or the server. */
const ABOUT_THE_MAIL = /^(RCPT TO|DATA|API)/;

const CODES: readonly (readonly [RegExp, string, string])[] = [
  [/^(EDNS|ENOTFOUND|EAI_AGAIN)$/, 'dns_failed', "The mail server's name could not be resolved"],
  [/^ETIMEDOUT$/, 'timeout', 'The mail server did not answer in time'],
  [
    /^(ETLS|CERT_|UNABLE_TO_|DEPTH_ZERO|SELF_SIGNED|ERR_TLS_|ERR_SSL_)/,
    'tls_failed',
    "The mail server's certificate or TLS cannot be used",
  ],
  [/^(EAUTH|ENOAUTH|EOAUTH2)$/, 'smtp_auth_failed', 'The mail server did not take our credentials'],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/, 'connection_refused', 'The mail server does not take connections'],
];

/**
 * Tells permanent from temporary: a 5xx reply to the recipient or the mail will not change (RFC 5321, section 4.2.1), while a 5xx to
 * our greeting, login or sender is a fault of the set-up, which is not the recipient's and may be mended.
 */
export function smtpFailure(error: unknown): Outcome {
  const { code = '', command = '', responseCode, response = '' } = error as SmtpError;
  const message = response.slice(0, 500);
  if (responseCode !== undefined && responseCode >= 500 && ABOUT_THE_MAIL.test(command)) {
    return { kind: 'reject', code: `smtp_${responseCode}`, message };
  }
  if (code === 'EENVELOPE' && responseCode === undefined) {
    return { kind: 'reject', code: 'address_invalid', message: 'The address cannot be used with this mail server' };
  }
  for (const [pattern, name, words] of CODES) {
    if (pattern.test(code)) return { kind: 'retry', code: name, message: message || words };
  }
  if (responseCode !== undefined) return { kind: 'retry', code: `smtp_${responseCode}`, message };
  return { kind: 'retry', code: causedBy(error), message: 'The connection to the mail server ended early' };
}

/** nodemailer wraps the socket's error in ESOCKET or ECONNECTION, with the system's words as the message. */
function causedBy(error: unknown): string {
  const words = error instanceof Error ? error.message : '';
  if (/ECONNREFUSED|EHOSTUNREACH|ENETUNREACH/.test(words)) return 'connection_refused';
  if (/certificate|TLS|SSL/i.test(words)) return 'tls_failed';
  if (/timeout/i.test(words)) return 'timeout';
  return 'connection_reset';
}
