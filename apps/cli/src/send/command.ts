import { readFile } from 'node:fs/promises';
import { text as readText } from 'node:stream/consumers';
import { CHANNELS, PRIORITIES, type NotificationRequest } from '@bongsu/contracts';
import { EXIT, UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { call } from '../http/client.js';
import { apiEndpoint } from '../settings.js';

interface Accepted {
  readonly id: string;
  readonly status: string;
  readonly acceptedAt: string;
}

/** The options that make up a body; with --file the body is given whole, and none of them may stand beside it. */
const PARTS = {
  recipient: { type: 'string', valueHint: 'id', description: "The recipient's id (needed unless --file is given)" },
  email: { type: 'string', valueHint: 'address', description: "The recipient's e-mail address" },
  'webhook-url': { type: 'string', valueHint: 'url', description: "The recipient's webhook" },
  channel: {
    type: 'string',
    valueHint: CHANNELS.join('|'),
    description: 'Where to send it; may be given more than once (default: every address that is given, else log)',
  },
  subject: { type: 'string', description: 'One line' },
  body: { type: 'string', description: 'Plain text (needed unless --file is given)' },
  html: { type: 'string', description: 'The same as HTML, for e-mail' },
  priority: { type: 'string', valueHint: PRIORITIES.join('|'), description: 'How urgent it is (default: normal)' },
  'ordering-key': {
    type: 'string',
    valueHint: 'key',
    description: 'The next one with this key waits until this one has ended',
  },
  'send-at': {
    type: 'string',
    valueHint: 'time',
    description: 'Not before this time, such as 2026-12-01T09:00:00+09:00',
  },
} as const;

export const send = leaf({
  name: 'send',
  description: 'Send a notification; its id is printed once it is kept (Exit code: 0 accepted, 1 refused)',
  args: {
    ...PARTS,
    file: {
      type: 'string',
      valueHint: 'path',
      description: 'Read the whole JSON body from a file, or from stdin with "-"',
    },
    'idempotency-key': {
      type: 'string',
      valueHint: 'key',
      description: 'Sent twice with the same key, it is the same notification',
    },
  },
  async run({ args, all, output }) {
    const body =
      args.file === undefined ? JSON.stringify(compose(args, all('channel'))) : await readBody(args.file, args);
    const key = args['idempotency-key'];
    const { body: accepted, headers } = await call<Accepted>(apiEndpoint(), {
      method: 'POST',
      path: '/v1/notifications',
      headers: key === undefined ? {} : { 'idempotency-key': key },
      body,
    });
    const replayed = headers.get('idempotency-replayed') === 'true';
    output.result({ ...accepted, replayed }, accepted.id);
    if (!output.json)
      output.note(`${replayed ? 'accepted before' : 'accepted'}; watch it: bongsu status ${accepted.id} --follow`);
    return EXIT.ok;
  },
});

type Parts = { readonly [K in keyof typeof PARTS]?: string | undefined };

/** The body that the options describe. What is in them is judged by the API alone, so that there is one set of rules. */
function compose(parts: Parts, channels: string[]): NotificationRequest {
  const { recipient, email, body } = parts;
  const webhook = parts['webhook-url'];
  if (recipient === undefined) throw new UsageError('--recipient is needed');
  if (body === undefined) throw new UsageError('--body is needed');
  const addressed = [...(email === undefined ? [] : ['email']), ...(webhook === undefined ? [] : ['webhook'])];
  const chosen = channels.length > 0 ? channels : addressed.length > 0 ? addressed : ['log'];
  return {
    recipient: {
      id: recipient,
      ...(email === undefined ? {} : { email }),
      ...(webhook === undefined ? {} : { webhook: { url: webhook } }),
    },
    channels: chosen as NonNullable<NotificationRequest['channels']>,
    content: {
      ...(parts.subject === undefined ? {} : { subject: parts.subject }),
      body,
      ...(parts.html === undefined ? {} : { html: parts.html }),
    },
    ...(parts.priority === undefined
      ? {}
      : { priority: parts.priority as NonNullable<NotificationRequest['priority']> }),
    ...(parts['ordering-key'] === undefined ? {} : { orderingKey: parts['ordering-key'] }),
    ...(parts['send-at'] === undefined ? {} : { sendAt: parts['send-at'] }),
  };
}

async function readBody(path: string, parts: Parts): Promise<string> {
  const beside = (Object.keys(PARTS) as (keyof typeof PARTS)[]).find((name) => parts[name] !== undefined);
  if (beside !== undefined) throw new UsageError(`--file holds the whole body, so --${beside} cannot stand beside it`);
  try {
    return path === '-' ? await readText(process.stdin) : await readFile(path, 'utf8');
  } catch (cause) {
    throw new UsageError(
      `The body cannot be read from ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
}
