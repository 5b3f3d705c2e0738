import { isIP } from 'node:net';
import { parseConnectionUrl } from 'nodemailer/lib/shared';

/** What may stand behind the ? of an SMTP_URL, besides `tls.*` (options of Node's tls.connect). nodemailer's meanings. */
const OPTIONS = new Set(
  'pool maxConnections maxMessages rateLimit rateDelta name localAddress requireTLS ignoreTLS opportunisticTLS authMethod'.split(
    ' ',
  ),
);
/** Half of what Postfix allows one client by default (smtpd_client_connection_count_limit = 50). */
const CONNECTIONS = 25;
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1)$/;

/** nodemailer's connection options, as far as they are set here. */
export interface SmtpConnectionOptions {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  readonly requireTLS?: boolean;
  readonly maxConnections: number;
  readonly auth?: { readonly user: string; readonly pass: string };
}

/** One server that mails can be handed to. */
export interface SmtpServer {
  /** `smtp:<host>:<port>`: the provider's name. */
  readonly name: string;
  readonly options: SmtpConnectionOptions;
}

/**
 * Reads an smtp:// or smtps:// URL. Where it holds a password and does not say otherwise, STARTTLS is required (except towards
 * this machine): else whoever sits in between takes it out of the server's answer and reads the password.
 * Throws an Error whose message holds nothing of the URL but the name of an option.
 */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.parse(text);
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === '' || !/^\/?$/.test(url.pathname)) {
    throw new Error('must be URLs such as smtp://user:password@mail.example.org:587');
  }
  for (const option of url.searchParams.keys()) {
    if (!OPTIONS.has(option) && !/^tls\.\w+$/.test(option))
      throw new Error(`knows no option ${JSON.stringify(option)}`);
  }
  const parsed = parseConnectionUrl(text) as Record<string, unknown>;
  const host = url.hostname.replaceAll(/^\[|\]$/g, '');
  const secure = url.protocol === 'smtps:';
  const port = url.port === '' ? (secure ? 465 : 587) : Number(url.port);
  const undecided = !['requireTLS', 'ignoreTLS', 'opportunisticTLS'].some((option) => option in parsed);
  const options = {
    maxConnections: CONNECTIONS,
    ...parsed,
    host,
    port,
    secure,
    ...(parsed['auth'] && undecided && !secure && !LOOPBACK.test(host) ? { requireTLS: true } : {}),
  };
  if (!Number.isInteger(options.maxConnections) || options.maxConnections < 1 || options.maxConnections > 10_000) {
    throw new Error('must have a maxConnections from 1 to 10000');
  }
  return { name: `smtp:${isIP(host) === 6 ? `[${host}]` : host}:${port}`.slice(0, 120), options };
}

/** Every form in which the credentials may come back in a server's words. */
export function credentialForms({ options: { auth } }: SmtpServer): string[] {
  if (!auth) return [];
  const { user, pass } = auth;
  return [pass, encodeURIComponent(pass), base64(pass), base64(`\0${user}\0${pass}`)].filter((form) => form !== '');
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
