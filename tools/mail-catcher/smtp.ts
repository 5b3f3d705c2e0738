import { SMTPServer } from 'smtp-server';
import type { Mailbox } from './mailbox.ts';

const MAX_MESSAGE_BYTES = 25 << 20;

/** An SMTP server that takes every mail, with any login or none, and passes none on. Not started yet. */
export function smtpServer(mailbox: Mailbox): SMTPServer {
  const server = new SMTPServer({
    banner: 'mail catcher',
    size: MAX_MESSAGE_BYTES,
    authOptional: true,
    allowInsecureAuth: true,
    authMethods: ['PLAIN', 'LOGIN'],
    disabledCommands: ['STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 500,
    logger: false,
    onAuth: ({ username }, _session, accept) => accept(null, { user: username ?? '' }),
    onData: (stream, session, accept) => {
      const chunks: Buffer[] = [];
      let bytes = 0;
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        // The rest of a mail that is too large is read and dropped: SMTP answers only at its end.
        if (bytes <= MAX_MESSAGE_BYTES) chunks.push(chunk);
        else chunks.length = 0;
      });
      stream.once('end', () => {
        if (bytes > MAX_MESSAGE_BYTES)
          return accept(Object.assign(new Error('the message is too large'), { responseCode: 552 }));
        const { mailFrom, rcptTo } = session.envelope;
        const caught = mailbox.add({
          envelope: { from: mailFrom ? mailFrom.address : '', to: rcptTo.map(({ address }) => address) },
          username: session.user ?? '',
          raw: Buffer.concat(chunks),
        });
        return accept(null, `queued as ${caught.id}`);
      });
    },
  });
  // A client that hangs up in the middle is its own affair; without a listener it would end the process.
  server.on('error', () => undefined);
  return server;
}
