import { domainToASCII } from 'node:url';
import addressparser from 'nodemailer/lib/addressparser';
import type { DeliveryAttempt } from '../../provider.js';

/** Who the mails are from. */
export interface Sender {
  readonly name: string;
  readonly address: string;
}

/** No blanks, no control characters or halves of surrogate pairs, nothing that has a meaning in an address list. */
const LOCAL_PART = /^[^\s\p{C}()<>@,;:\\"[\]]+$/u;
/** RFC 5321, section 4.5.3.1.1. */
const LOCAL_PART_BYTES = 64;
const DOMAIN = /^[A-Za-z0-9.\-\u{a1}-\u{10ffff}]{1,253}$/u;
const ASCII_DOMAIN = /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/i;

/**
 * The address in the form it goes over the wire: an internationalised domain in its ASCII form (IDNA), the local part as it is.
 * Undefined when it is not one address: a mail must never go to two because somebody put a comma in.
 */
export function mailAddress(text: string): string | undefined {
  const at = text.lastIndexOf('@');
  const local = text.slice(0, Math.max(at, 0));
  const domain = text.slice(at + 1);
  if (!LOCAL_PART.test(local) || Buffer.byteLength(local) > LOCAL_PART_BYTES || !DOMAIN.test(domain)) return undefined;
  const ascii = domainToASCII(domain);
  return ASCII_DOMAIN.test(ascii) ? `${local}@${ascii}` : undefined;
}

/** Whether a server must offer SMTPUTF8 (RFC 6531) to take this address. */
export const needsSmtpUtf8 = (address: string): boolean => /[\u{80}-\u{10ffff}]/u.test(address);

/** Reads `Name <address>` or an address. Throws when it is not exactly one that every server takes. */
export function parseSender(text: string): Sender {
  const [sender, ...others] = addressparser(text);
  const address = mailAddress(sender?.address ?? '');
  if (!sender || !address || needsSmtpUtf8(address) || others.length > 0 || /\p{Cc}/u.test(sender.name)) {
    throw new Error('must be one address such as Bongsu <no-reply@example.org>');
  }
  return { name: sender.name, address };
}

/**
 * The mail of an attempt, as nodemailer takes it. Addresses go in as parts, never as text to be parsed; nodemailer encodes or
 * folds what stands in a header. The Message-ID is the delivery's, so that a server or client that dedupes sees one mail
 * however often it is sent.
 */
export function composeMail(attempt: DeliveryAttempt, from: Sender, to: string) {
  const { subject, body, html } = attempt.content;
  return {
    from: { ...from },
    to: { name: '', address: to },
    envelope: { from: from.address, to: [to] },
    subject: subject ?? '',
    text: body,
    ...(html === undefined ? {} : { html }),
    messageId: `<${attempt.deliveryId}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    date: new Date(),
    // RFC 3834: keeps holiday notices and other robots from answering.
    headers: { 'Auto-Submitted': 'auto-generated' },
    xMailer: false as const,
    // Content is text, never a file or an address of this machine to read it from.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}
