import { connectionFailure } from '../../connection-failure.js';
import { reject, retry, timedOut, type Outcome } from '../../provider.js';
import { onOneLine } from './server.js';

/** What nodemailer says about a mail that was not sent. */
interface SmtpError {
  readonly code?: string;
  /** The code of the system error beneath it. */
  readonly originalCode?: string;
  readonly cause?: unknown;
  /** What the server was asked when it answered: CONN (its greeting), EHLO, STARTTLS, AUTH …, MAIL FROM, RCPT TO, DATA. */
  readonly command?: string;
  readonly responseCode?: number;
  readonly response?: string;
}

const RESPONSE_LENGTH = 400;
/** Replies to RCPT TO and DATA that are not about the mail: out of sequence, please log in, log in differently. */
const NOT_ABOUT_THE_MAIL = new Set([503, 530, 534, 535, 538]);

/**
 * Tells permanent from temporary. A 5xx is the recipient's or the mail's fault only in answer to RCPT TO and DATA; a server
 * that greets with 554, refuses our login or our sender will take the same mail once somebody has mended that.
 * @param credentials what must not appear in a message, though a server may echo it.
 */
export function smtpOutcome(error: unknown, credentials: RegExp): Outcome {
  const { code = '', command = '', responseCode, response = '' } = error as SmtpError;
  if (code === 'EABORT') return timedOut;
  if (code === 'EAUTH' || code === 'ENOAUTH' || code === 'EOAUTH2') {
    return retry('smtp_auth_failed', `The mail server refuses the login${responseCode ? ` (${responseCode})` : ''}`);
  }
  if (code === 'ETLS') return retry('tls_failed', 'The mail server offers no encryption that can be trusted');
  if (responseCode !== undefined && responseCode >= 400) {
    const message = `The mail server said: ${printable(response, credentials)}`;
    return isPermanent(responseCode, command)
      ? reject(`smtp_${responseCode}`, message)
      : retry(`smtp_${responseCode}`, message);
  }
  if (code === 'EENVELOPE' && command === 'API') return reject('address_invalid', 'The address cannot be sent to');
  return connectionFailure(systemCode(error as SmtpError));
}

const isPermanent = (responseCode: number, command: string): boolean =>
  responseCode >= 500 && (command === 'RCPT TO' || command === 'DATA') && !NOT_ABOUT_THE_MAIL.has(responseCode);

/** nodemailer's ESOCKET, ECONNECTION and so on say where it happened; the code beneath says what. */
function systemCode({ code = '', originalCode, cause }: SmtpError): string {
  const below = originalCode ?? (cause as SmtpError | undefined)?.code;
  return typeof below === 'string' && code !== 'EDNS' && code !== 'ETIMEDOUT' ? below : code;
}

/** One line, no control characters, no credentials, not endless. Cut last: half a password is a secret too. */
function printable(response: string, credentials: RegExp): string {
  const text = onOneLine(response).replaceAll(credentials, '[redacted]');
  return text.slice(0, RESPONSE_LENGTH).toWellFormed();
}
