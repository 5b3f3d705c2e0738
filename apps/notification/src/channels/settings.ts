import { list, matching, optional, secret, text, url, type Setting } from '@bongsu/config';
import ipaddr from 'ipaddr.js';

/** An address with an optional name before it, in angle brackets: `Bongsu <bongsu@example.org>`. */
const MAILBOX = /^(?:[^<>\r\n]*<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/;
/** Standard Webhooks: `whsec_` and the base64 of 24 to 64 random bytes. */
const SIGNING_SECRET = /^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/;

export type Network = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

const network: Setting<Network> = {
  ...text('a network such as 10.0.0.0/8 or ::1/128'),
  parse(value) {
    if (!ipaddr.isValidCIDR(value)) throw new Error('must be networks such as 10.0.0.0/8 or ::1/128, comma-separated');
    return ipaddr.parseCIDR(value);
  },
};

export const CHANNEL_SETTINGS = {
  SMTP_URL: secret(
    list(url('smtp:', 'smtps:')('a mail server'))(
      'the mail servers in order of preference, comma-separated',
      'smtp://127.0.0.1:1025',
    ),
  ),
  SMTP_FROM: matching(MAILBOX, 'an address such as Bongsu <bongsu@example.org>')(
    'who mails come from',
    'Bongsu <bongsu@localhost>',
  ),
  WEBHOOK_SIGNING_SECRET: optional(
    secret(matching(SIGNING_SECRET, 'whsec_ and 24 to 64 bytes in base64')('signs webhooks (Standard Webhooks)')),
  ),
  WEBHOOK_ALLOWED_NETWORKS: list(network)(
    'networks that webhooks may go to although they are not public; the only ones that http:// may go to',
    '',
  ),
} as const;
