import { testAttempt } from '../../testing/attempt.js';
import { describeProvider, type Behaviour } from '../../testing/conformance.js';
import { SmtpPeer } from '../../testing/smtp-peer.js';
import { parseSender } from './mail.js';
import { SmtpProvider } from './provider.js';
import { parseSmtpUrl } from './server.js';

const account = { user: 'mailer', pass: 'p@ss/w0rd,+' };
const encoded = encodeURIComponent(account.pass);
const secrets = [
  account.pass,
  encoded,
  Buffer.from(account.pass).toString('base64'),
  Buffer.from(`\0${account.user}\0${account.pass}`).toString('base64'),
];

describeProvider(
  'smtp',
  async () => {
    const peer = await SmtpPeer.start({ account });
    const behave = (behaviour: Behaviour): void => {
      peer.cutting = behaviour === 'cut';
      if (peer.cutting) peer.cutAll();
      const refusals = {
        accept: undefined,
        cut: undefined,
        busy: [451, 'try again later'],
        refuse: [550, 'no such user'],
        hang: 'silence',
        blab: [554, `you are ${secrets.join(' ')} \u0007 ${'blah '.repeat(2000)}`],
      } as const;
      peer.refuse('rcpt', refusals[behaviour]);
    };
    return {
      provider: new SmtpProvider({
        server: parseSmtpUrl(`smtp://${account.user}:${encoded}@127.0.0.1:${peer.port}`),
        from: parseSender('Bongsu <bongsu@example.org>'),
        timeoutMs: 5000,
      }),
      attempt: (changes) =>
        testAttempt({ channel: 'email', recipient: { id: 'kim', email: 'kim@example.org' }, ...changes }),
      secrets,
      peer: {
        behave,
        received: () => peer.mails.map(({ raw }) => /^Message-ID: <(.+)@/im.exec(raw)?.[1] ?? ''),
        connections: () => peer.connections,
        stop: () => peer.stop(),
      },
    };
  },
  'a peer',
);
