import { testAttempt } from '../../testing/attempt.js';
import { describeProvider } from '../../testing/conformance.js';
import { cuts, hangs, HttpPeer, replies } from '../../testing/http-peer.js';
import { parseNetwork } from './address-guard.js';
import { StandardWebhooksProvider } from './provider.js';

const secret = `whsec_${Buffer.from('0123456789abcdef0123456789abcdef').toString('base64')}`;
const token = 'T0KEN-1N-THE-PATH';
const secrets = [secret, secret.slice(6), token];
const refusals = { 'x-secret': secret, location: `http://127.0.0.1/${token}` };

describeProvider(
  'standard-webhooks',
  async () => {
    const peer = await HttpPeer.start();
    const answers = {
      accept: replies(204),
      busy: replies(503),
      refuse: replies(404),
      hang: hangs,
      cut: cuts,
      blab: replies(400, refusals, `${secrets.join(' ')} ${'blah '.repeat(2000)}`),
    };
    return {
      provider: new StandardWebhooksProvider({
        secretOf: () => secret,
        allowedNetworks: [parseNetwork('127.0.0.0/8')],
      }),
      attempt: (changes) =>
        testAttempt({
          channel: 'webhook',
          recipient: { id: 'kim', webhook: { url: `${peer.url}/${token}` } },
          ...changes,
        }),
      secrets,
      peer: {
        behave: (behaviour) => (peer.answer = answers[behaviour]),
        received: () => peer.posts.map(({ headers }) => String(headers['webhook-id'])),
        connections: () => peer.connections,
        stop: () => peer.stop(),
      },
    };
  },
  'a peer',
);
