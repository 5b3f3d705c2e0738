import { afterEach, beforeEach } from 'vitest';
import { parseSender } from '../email/smtp/mail.js';
import { SmtpProvider } from '../email/smtp/provider.js';
import { parseSmtpUrl } from '../email/smtp/server.js';
import type { DeliveryAttempt, Outcome } from '../provider.js';
import { testAttempt, within } from './attempt.js';
import { SmtpPeer, type SmtpPeerOptions } from './smtp-peer.js';

/** A provider for one SMTP server. */
export const smtpProvider = (url: string, from = 'Bongsu <bongsu@example.org>'): SmtpProvider =>
  new SmtpProvider({ server: parseSmtpUrl(url), from: parseSender(from), timeoutMs: 5000 });

export const mailAttempt = (changes: Partial<DeliveryAttempt> = {}): DeliveryAttempt =>
  testAttempt({ channel: 'email', recipient: { id: 'kim', email: 'kim@example.org' }, ...changes });

/** A server and a provider for it, new for each test. */
export class SmtpRig {
  peer!: SmtpPeer;
  provider!: SmtpProvider;

  constructor() {
    beforeEach(async () => {
      this.peer = await SmtpPeer.start();
      this.provider = smtpProvider(this.peer.url);
    });
    afterEach(async () => {
      await this.provider.close();
      await this.peer.stop();
    });
  }

  /** A server with these options in place of the plain one. */
  async listen(options: SmtpPeerOptions, url = (port: number) => `smtp://127.0.0.1:${port}`): Promise<void> {
    await this.peer.stop();
    this.peer = await SmtpPeer.start(options);
    await this.use(url(this.peer.port));
  }

  /** A provider for this URL in place of the plain one. */
  async use(url: string, from?: string): Promise<void> {
    await this.provider.close();
    this.provider = smtpProvider(url, from);
  }

  deliver(changes?: Partial<DeliveryAttempt>, signal = within(4000)): Promise<Outcome> {
    return this.provider.deliver(mailAttempt(changes), signal);
  }
}
