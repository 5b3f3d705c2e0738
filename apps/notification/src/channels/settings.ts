import { list, optional, secret, type Setting } from '@bongsu/config';
import { parseNetwork, type Network } from './webhook/standard-webhooks/address-guard.js';
import { isSigningSecret } from './webhook/standard-webhooks/signature.js';
import { parseSender, type Sender } from './email/smtp/mail.js';
import { parseSmtpUrl, type SmtpServer } from './email/smtp/server.js';

const one =
  <T>(parse: (text: string) => T) =>
  (description: string, fallback?: string): Setting<T> => ({ parse, description, fallback });

/** What the providers are set up with. Part of the notification service's settings. */
export const CHANNEL_SETTINGS = {
  SMTP_URL: secret(
    list(one(parseSmtpUrl)('one server'))(
      'smtp:// or smtps:// URLs in order of preference, comma-separated (a comma in a password is %2C)',
      'smtp://127.0.0.1:1025',
    ),
  ),
  SMTP_FROM: one(parseSender)('who the mails are from', 'Bongsu <bongsu@localhost>'),
  WEBHOOK_SIGNING_SECRET: optional(secret(one(signingSecret)('signs the webhooks of the tenant "default"'))),
  WEBHOOK_ALLOWED_NETWORKS: list(one(parseNetwork)('a network'))(
    'networks in CIDR notation that webhooks may go to although they are not public, and by http:// too',
    '',
  ),
} as const;

export interface ChannelSettings {
  readonly SMTP_URL: readonly SmtpServer[];
  readonly SMTP_FROM: Sender;
  readonly WEBHOOK_SIGNING_SECRET: string | undefined;
  readonly WEBHOOK_ALLOWED_NETWORKS: readonly Network[];
  /** After how long a call is given up, milliseconds. */
  readonly PROVIDER_TIMEOUT: number;
}

function signingSecret(text: string): string {
  if (!isSigningSecret(text)) throw new Error('must be whsec_ followed by at least 16 bytes in base64');
  return text;
}
