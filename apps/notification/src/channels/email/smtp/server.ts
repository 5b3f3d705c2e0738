import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';
import { parseConnectionUrl } from 'nodemailer/lib/shared';

/** What may stand behind the ? of an SMTP_URL, besides `tls.*` (options of Node's tls.connect). nodemailer's meanings. */
const OPTIONS = new Set(
  'pool maxConnections maxMessages rateLimit rateDelta name localAddress requireTLS ignoreTLS opportunisticTLS authMethod'.split(
    ' ',
  ),
);
/** Half of what Postfix allows one client by default (smtpd_client_connection_count_limit = 50). */
const CONNECTIONS = 25;
/** Options that are numbers, from 1 to this; rateDelta is in milliseconds. */
const COUNTS = { maxConnections: 10_000, maxMessages: 1_000_000, rateLimit: 1_000_000, rateDelta: 86_400_000 };
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
  const host = hostOf(url);
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
  if (port === 0 || host === '') throw new Error('must name a host, and a port from 1 to 65535');
  for (const [option, most] of Object.entries(COUNTS)) {
    const count = (options as Record<string, unknown>)[option] ?? 1;
    if (!Number.isInteger(count) || Number(count) < 1 || Number(count) > most) {
      throw new Error(`must have a ${option} from 1 to ${most}`);
    }
  }
  return { name: `smtp:${isIP(host) === 6 ? `[${host}]` : host}:${port}`.slice(0, 120), options };
}

/** The host as it is looked up. A URL parser leaves the host of a scheme that it does not know percent-encoded. */
function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : domainToASCII(decodeURIComponent(hostname));
}

/** A user name of fewer characters says nothing, and taking it out would leave nothing to read. */
const USER_LENGTH = 4;

/**
 * Finds our credentials in a server's words, in every form in which they may come back. The longest form is tried first: one may
 * hold another. One pass, so that what was put in their place is not searched again.
 */
export function credentialPattern({ options: { auth } }: SmtpServer): RegExp {
  if (!auth) return /(?!)/g;
  const { user, pass } = auth;
  // With many mail services the user name is an access key, too.
  const names = user.length >= USER_LENGTH ? [user, encodeURIComponent(user), base64(user)] : [];
  const forms = [...names, pass, encodeURIComponent(pass), base64(pass), base64(`\0${user}\0${pass}`)]
    .filter((form) => form !== '')
    .sort((one, other) => other.length - one.length);
  return new RegExp(forms.map((form) => escapeRegExp(onOneLine(form))).join('|'), 'gi');
}

/** Blanks and control characters as one blank each: words of a server as they are shown. */
export const onOneLine = (text: string): string => text.replaceAll(/[\p{C}\s]+/gu, ' ');

/** Without the padding, so that it is found with and without it. */
const base64 = (text: string): string => Buffer.from(text).toString('base64').replaceAll('=', '');
const escapeRegExp = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
