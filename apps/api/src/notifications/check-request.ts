import type { Channel, NotificationRequest, Violation } from '@bongsu/contracts';
import { invalidBody } from '@bongsu/http';
import { instantOf } from './instant.js';

/** What a request becomes when everything that it leaves open is settled. */
export type CheckedRequest = NotificationRequest & {
  channels: Channel[];
  priority: NonNullable<NotificationRequest['priority']>;
};

/**
 * What JSON Schema cannot say about a request: that its parts agree with one another and with the clock. Settles what was
 * left open (channels, priority) and what a time means: it goes on as a moment, in UTC. Throws validation_failed (422) with a pointer for everything that is wrong.
 * @param now milliseconds since 1970
 */
export function checkRequest(request: NotificationRequest, now: number): CheckedRequest {
  const channels = request.channels ?? addressed(request);
  const sendAt = readTime('/sendAt', request.sendAt);
  const expiresAt = readTime('/expiresAt', request.expiresAt);
  const violations = [
    ...wrongTimes(sendAt, expiresAt, now),
    ...wrongContent(request),
    ...(channels.length === 0 ? [missing('/recipient', 'has no address; name one, or the channel log')] : []),
    ...channels.flatMap((channel) => CHANNEL_RULES[channel](request)),
  ];
  if (violations.length > 0) throw invalidBody(...violations);
  return {
    ...request,
    channels,
    priority: request.priority ?? 'normal',
    ...(sendAt.ms === undefined ? {} : { sendAt: new Date(sendAt.ms).toISOString() }),
    ...(expiresAt.ms === undefined ? {} : { expiresAt: new Date(expiresAt.ms).toISOString() }),
  };
}

/** The channels that an address is given for. */
function addressed({ recipient }: NotificationRequest): Channel[] {
  return [
    ...(recipient.email === undefined ? [] : (['email'] as const)),
    ...(recipient.webhook === undefined ? [] : (['webhook'] as const)),
  ];
}

const missing = (pointer: string, detail: string): Violation => ({ pointer, detail });

const CHANNEL_RULES: Record<Channel, (request: NotificationRequest) => Violation[]> = {
  email: ({ recipient, content }) => [
    ...(recipient.email === undefined ? [missing('/recipient/email', 'is required for the channel email')] : []),
    ...(content && (content.subject ?? '').trim() === ''
      ? [missing('/content/subject', 'is required for the channel email')]
      : []),
  ],
  webhook: ({ recipient: { webhook } }) =>
    webhook === undefined
      ? [missing('/recipient/webhook', 'is required for the channel webhook')]
      : wrongUrl(webhook.url),
  log: () => [],
};

/**
 * What can be said of a URL without dialling it. Whether its host is one that we may call is decided when its address is
 * known, by the notification service; a name says nothing about that.
 */
function wrongUrl(text: string): Violation[] {
  const pointer = '/recipient/webhook/url';
  const url = URL.parse(text);
  if (!url || url.hostname === '') return [{ pointer, detail: 'is not a URL' }];
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return [{ pointer, detail: 'must be http or https' }];
  if (url.username !== '' || url.password !== '')
    return [{ pointer, detail: 'must not carry a user name or password' }];
  const port = url.port === '' ? 443 : Number(url.port);
  // Below 1024 live other protocols, which a POST could be made to speak.
  if (port !== 80 && port !== 443 && port < 1024)
    return [{ pointer, detail: 'must use port 80, 443 or one from 1024' }];
  return [];
}

function wrongContent({ content, template }: NotificationRequest): Violation[] {
  if (template !== undefined)
    return [{ pointer: '/template', detail: `is not known: there is no template named ${template}` }];
  return content === undefined ? [missing('/content', 'is required, or a template')] : [];
}

/** A time of the request: the moment (milliseconds since 1970), or what is wrong with it, or neither when it is not given. */
interface GivenTime {
  readonly ms?: number;
  readonly violation?: Violation;
}

function readTime(pointer: string, text: string | undefined): GivenTime {
  if (text === undefined) return {};
  try {
    return { ms: instantOf(text) };
  } catch (error) {
    return { violation: { pointer, detail: (error as Error).message } };
  }
}

function wrongTimes(sendAt: GivenTime, expiresAt: GivenTime, now: number): Violation[] {
  const violations = [sendAt.violation, expiresAt.violation].filter((violation) => violation !== undefined);
  const send = sendAt.ms ?? now;
  if (send > aYearAfter(now)) violations.push({ pointer: '/sendAt', detail: 'must be a time at most a year ahead' });
  if (expiresAt.ms === undefined) return violations;
  if (expiresAt.ms <= now) violations.push({ pointer: '/expiresAt', detail: 'must be in the future' });
  else if (expiresAt.ms <= send) violations.push({ pointer: '/expiresAt', detail: 'must be after sendAt' });
  return violations;
}

function aYearAfter(now: number): number {
  const date = new Date(now);
  return date.setUTCFullYear(date.getUTCFullYear() + 1);
}
