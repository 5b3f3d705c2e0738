import { randomBytes } from 'node:crypto';

/** A mail as it came in. */
export interface CaughtMail {
  readonly id: string;
  readonly receivedAt: Date;
  /** The sender and recipients of the SMTP dialogue, which decide where a mail goes (its headers only say so). */
  readonly envelope: { readonly from: string; readonly to: readonly string[] };
  /** Who logged in, or empty. */
  readonly username: string;
  readonly raw: Buffer;
  read: boolean;
}

/** The newest mails, in memory: the oldest go when there are more than `maxMails`, or more than `maxBytes` together. */
export class Mailbox {
  private readonly mails = new Map<string, CaughtMail>();
  private bytes = 0;
  private readonly limits: { readonly maxMails: number; readonly maxBytes: number };

  constructor(limits = { maxMails: 1_000, maxBytes: 128 << 20 }) {
    this.limits = limits;
  }

  add(mail: Pick<CaughtMail, 'envelope' | 'username' | 'raw'>, receivedAt = new Date()): CaughtMail {
    const caught: CaughtMail = { ...mail, id: randomBytes(12).toString('base64url'), receivedAt, read: false };
    this.mails.set(caught.id, caught);
    this.bytes += caught.raw.length;
    // The newest stays, however large it is.
    for (const [id] of this.mails) {
      if (this.mails.size <= this.limits.maxMails && this.bytes <= this.limits.maxBytes) break;
      if (id !== caught.id) this.delete(id);
    }
    return caught;
  }

  /** Newest first. */
  all(): CaughtMail[] {
    return [...this.mails.values()].toReversed();
  }

  /** By its id; `latest` is the newest. */
  get(id: string): CaughtMail | undefined {
    return id === 'latest' ? this.all()[0] : this.mails.get(id);
  }

  delete(id: string): void {
    const mail = this.mails.get(id);
    if (!mail) return;
    this.bytes -= mail.raw.length;
    this.mails.delete(id);
  }

  clear(): void {
    this.mails.clear();
    this.bytes = 0;
  }
}
