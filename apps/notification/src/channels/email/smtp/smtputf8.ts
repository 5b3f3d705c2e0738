import SMTPConnection from 'nodemailer/lib/smtp-connection';
import type { SmtpConnectionOptions } from './server.js';

/** How long an answer holds, milliseconds: servers are upgraded, not every minute. */
const KNOWN_MS = 10 * 60_000;

/**
 * Whether the server takes addresses with characters beyond ASCII before the @. nodemailer sends such an address without
 * SMTPUTF8 when it is not offered, which RFC 6531 (section 3.2) forbids: what arrives then is anyone's guess.
 */
export class SmtpUtf8Support {
  readonly #options: SmtpConnectionOptions;
  #known: { readonly offered: boolean; readonly until: number } | undefined;

  constructor(options: SmtpConnectionOptions) {
    this.#options = options;
  }

  /** Asks the server with a connection of its own, unless it has been asked lately. Rejects as nodemailer does. */
  async isOffered(signal: AbortSignal): Promise<boolean> {
    if (this.#known && performance.now() < this.#known.until) return this.#known.offered;
    const offered = /^250[ -]SMTPUTF8\b/im.test(await greet(this.#options, signal));
    this.#known = { offered, until: performance.now() + KNOWN_MS };
    return offered;
  }
}

/** The server's last answer to EHLO: the one inside TLS, where there is TLS. nodemailer shows it in its log alone. */
async function greet(options: SmtpConnectionOptions, signal: AbortSignal): Promise<string> {
  let extensions = '';
  const log = (entry: { tnx?: string }, text?: string): void => {
    if (entry.tnx === 'server' && text?.startsWith('250')) extensions = text;
  };
  const logger = { trace: log, debug: log, info: log, warn: log, error: log, fatal: log };
  const connection = new SMTPConnection({ ...options, socketCloseTimeout: 0, transactionLog: true, logger });
  const onAbort = (): void => connection.close();
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      // Not once: an error that nobody listens for ends the process.
      connection.on('error', reject);
      connection.once('end', () => reject(Object.assign(new Error('closed'), { code: 'ECONNECTION' })));
      connection.connect((error?: Error | null) => (error ? reject(error) : resolve()));
    });
    return extensions;
  } finally {
    signal.removeEventListener('abort', onAbort);
    connection.close();
  }
}
