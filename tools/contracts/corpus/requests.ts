import type { Golden, GoldenEvent } from './corpus.ts';

const TYPE = 'bongsu.notification.requested.v1';
const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'vendor=1' };

/** Numbers of the notifications; facts and commands are about these. */
export const REQUESTED = { least: 1, most: 2, longest: 3, refused: 4, expired: 5, cancelled: 6, traced: 7 } as const;
export type Requested = keyof typeof REQUESTED;

/** Recipients, by notification. */
export const recipientOf = (name: Requested): string => (name === 'longest' ? '수'.repeat(256) : `golden-${name}`);

/** A request's key, and that of everything about it. */
export const keyOf = ({ contracts }: Golden, name: Requested): string =>
  contracts.notificationKey('default', recipientOf(name), name === 'most' ? 'order-42' : undefined);

/**
 * Accepted notifications. A delivery service that reads them delivers `least`, `most`, `longest` and `traced`; rejects
 * `refused`; and ends `expired` and, once it has read the command, `cancelled` as they are called.
 */
export function requestEvents(golden: Golden): GoldenEvent[] {
  const request = (name: Requested, lane: string, data: object, withTrace = false): GoldenEvent => {
    const id = golden.id(REQUESTED[name]);
    const whole = {
      id,
      tenant: 'default',
      recipient: { id: recipientOf(name) },
      channels: ['log'],
      content: { body: 'The beacon is lit.' },
      priority: lane,
      acceptedAt: golden.at,
      apiKeyId: 'bootstrap',
      ...data,
    };
    const event = golden.event(REQUESTED[name], 'api', TYPE, id, whole);
    return {
      name: `request: ${name}`,
      topic: `notification.requests.${lane}.v1`,
      key: keyOf(golden, name),
      event: withTrace ? { ...event, trace } : event,
    };
  };
  return [
    request('least', 'normal', {}),
    request('most', 'urgent', {
      recipient: {
        id: recipientOf('most'),
        email: 'golden@example.org',
        phone: '+821012345678',
        webhook: { url: 'https://example.org/hook?a=b' },
      },
      channels: ['email', 'log'],
      content: { subject: '봉수', body: 'The beacon is lit. 🔥', html: '<p>The beacon is lit.</p>' },
      data: { count: 1.5, nested: { list: [1, 'two', null, true] } },
      locale: 'ko-KR',
      sendAt: golden.at,
      expiresAt: '2125-01-01T00:00:00.000Z',
      orderingKey: 'order-42',
      category: 'billing',
      metadata: { 'order.id': '42', empty: '' },
    }),
    request('longest', 'bulk', {
      content: { subject: 's'.repeat(998), body: 'b'.repeat(8_192), html: 'h'.repeat(8_192) },
      apiKeyId: 'k'.repeat(128),
      category: 'c'.repeat(64),
    }),
    request('refused', 'normal', {
      // A port on which nobody may be called (the Fetch standard's "bad ports").
      recipient: { id: recipientOf('refused'), webhook: { url: 'http://127.0.0.1:9/golden' } },
      channels: ['webhook'],
    }),
    request('expired', 'normal', { expiresAt: golden.at }),
    request('cancelled', 'bulk', { sendAt: '2125-01-01T00:00:00.000Z' }),
    request('traced', 'normal', {}, true),
  ];
}
