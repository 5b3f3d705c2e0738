import { reject, type Outcome } from '../../provider.js';

/** https://fetch.spec.whatwg.org/#port-blocking: ports of services that could take an HTTP request for one of their own. */
const BAD_PORTS = new Set(
  (
    '0 1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110 111 113 115 117 119 123 135 137 139 ' +
    '143 161 179 389 427 465 512 513 514 515 526 530 531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 ' +
    '3659 4045 4190 5060 5061 6000 6566 6665 6666 6667 6668 6669 6679 6697 10080'
  ).split(' '),
);

export type Target = { readonly url: URL } | { readonly refused: Outcome };

/**
 * Reads a webhook URL. WHATWG's parser turns every notation of an IP address (decimal, octal, hexadecimal, full-width digits) into
 * the usual one, so that what is checked later is what is dialled. No message repeats the URL: it may be a secret itself.
 */
export function parseTarget(text: string | undefined): Target {
  if (text === undefined) return { refused: reject('address_missing', 'The recipient has no webhook URL') };
  const url = URL.parse(text);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return { refused: reject('webhook_url_invalid', 'The webhook URL is not a valid https:// URL') };
  }
  if (url.username !== '' || url.password !== '') {
    return { refused: reject('webhook_url_invalid', 'The webhook URL holds a user name or a password') };
  }
  if (BAD_PORTS.has(url.port)) return { refused: reject('webhook_url_invalid', 'Webhooks may not go to that port') };
  return { url };
}
