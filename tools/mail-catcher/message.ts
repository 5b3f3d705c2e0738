import PostalMime, { type Address, type Email, type Mailbox as MailAddress } from 'postal-mime';
import type { CaughtMail } from './mailbox.ts';

/** The field names of everything here are Mailpit's, so that a test written for one works with the other. */
interface NameAndAddress {
  readonly Name: string;
  readonly Address: string;
}

export interface MessageSummary {
  readonly ID: string;
  readonly MessageID: string;
  readonly Read: boolean;
  readonly From: NameAndAddress;
  readonly To: readonly NameAndAddress[];
  readonly Cc: readonly NameAndAddress[];
  readonly Bcc: readonly NameAndAddress[];
  readonly ReplyTo: readonly NameAndAddress[];
  readonly Subject: string;
  readonly Created: string;
  readonly Username: string;
  readonly Tags: readonly string[];
  /** Bytes. */
  readonly Size: number;
  readonly Attachments: number;
  /** The beginning of the text. */
  readonly Snippet: string;
}

export interface MessageDetails extends Omit<MessageSummary, 'Attachments' | 'Created' | 'Read' | 'Snippet'> {
  readonly ReturnPath: string;
  readonly Date: string;
  readonly Text: string;
  readonly HTML: string;
  readonly Attachments: readonly Attachment[];
  readonly Inline: readonly Attachment[];
}

interface Attachment {
  readonly PartID: string;
  readonly FileName: string;
  readonly ContentType: string;
  readonly ContentID: string;
  readonly Size: number;
}

/** Parsed when somebody looks, and then remembered: a mail that nobody reads costs no parsing. */
const parsed = new WeakMap<CaughtMail, Promise<Email>>();

function parse(mail: CaughtMail): Promise<Email> {
  const known = parsed.get(mail);
  if (known) return known;
  const email = PostalMime.parse(mail.raw).catch(
    // One mail that cannot be parsed (nested without end) must not keep the others from being listed.
    (error: unknown): Email => ({
      headers: [],
      headerLines: [],
      attachments: [],
      text: `This mail cannot be read: ${String(error)}`,
    }),
  );
  parsed.set(mail, email);
  return email;
}

export async function summarise(mail: CaughtMail): Promise<MessageSummary> {
  const email = await parse(mail);
  return {
    ...shared(mail, email),
    Read: mail.read,
    Created: mail.receivedAt.toISOString(),
    Attachments: email.attachments.filter((attachment) => !isInline(attachment)).length,
    Snippet: snippetOf(email),
  };
}

export async function describe(mail: CaughtMail): Promise<MessageDetails> {
  const email = await parse(mail);
  const attachments = email.attachments.map((attachment, index) => ({
    inline: isInline(attachment),
    shown: {
      PartID: String(index + 1),
      FileName: attachment.filename ?? '',
      ContentType: attachment.mimeType,
      ContentID: attachment.contentId?.replace(/^<|>$/g, '') ?? '',
      Size: typeof attachment.content === 'string' ? attachment.content.length : attachment.content.byteLength,
    },
  }));
  return {
    ...shared(mail, email),
    ReturnPath: mail.envelope.from,
    Date: validDate(email.date) ?? mail.receivedAt.toISOString(),
    Text: email.text ?? '',
    HTML: email.html ?? '',
    Attachments: attachments.filter(({ inline }) => !inline).map(({ shown }) => shown),
    Inline: attachments.filter(({ inline }) => inline).map(({ shown }) => shown),
  };
}

/** Every header in the order of the mail, each name with all its values. */
export async function headersOf(mail: CaughtMail): Promise<Record<string, string[]>> {
  const headers = new Map<string, string[]>();
  for (const { originalKey, value } of (await parse(mail)).headers) {
    headers.set(originalKey, [...(headers.get(originalKey) ?? []), value]);
  }
  return Object.fromEntries(headers);
}

/**
 * Whether a mail matches a query: words that must all occur, each anywhere or, after `to:`, `from:`, `cc:`, `bcc:`,
 * `subject:` or `message-id:`, there; quotes keep words together, a leading `-` or `!` turns a word around.
 */
export async function matches(mail: CaughtMail, query: string): Promise<boolean> {
  const email = await parse(mail);
  const { From, To, Cc, Bcc, Subject, MessageID } = shared(mail, email);
  const fields: Record<string, string> = {
    to: written(To),
    from: written([From]),
    cc: written(Cc),
    bcc: written(Bcc),
    subject: Subject,
    'message-id': MessageID,
  };
  const anywhere = [...Object.values(fields), email.text ?? '', email.html ?? ''].join('\n');
  return [...query.matchAll(/([-!]?)(?:(to|from|cc|bcc|subject|message-id):)?(?:"([^"]*)"|(\S+))/gi)].every(
    ([, not, field, quoted, word]) => {
      const text = field === undefined ? anywhere : (fields[field.toLowerCase()] ?? '');
      const wanted = (quoted ?? word ?? '').replace(field?.toLowerCase() === 'message-id' ? /^<|>$/g : /^$/, '');
      return text.toLowerCase().includes(wanted.toLowerCase()) !== Boolean(not);
    },
  );
}

function written(people: readonly NameAndAddress[]): string {
  return people.map(({ Name, Address }) => `${Name} <${Address}>`).join('\n');
}

function shared(mail: CaughtMail, email: Email): Omit<MessageSummary, 'Read' | 'Created' | 'Attachments' | 'Snippet'> {
  const [to, cc] = [people(email.to), people(email.cc)];
  const named = new Set([...to, ...cc].map(({ Address }) => Address.toLowerCase()));
  return {
    ID: mail.id,
    MessageID: email.messageId?.replace(/^<|>$/g, '') ?? '',
    From: people(email.from && [email.from])[0] ?? { Name: '', Address: mail.envelope.from },
    To: to,
    Cc: cc,
    // Who gets the mail without being named in it.
    Bcc: mail.envelope.to
      .filter((address) => !named.has(address.toLowerCase()))
      .map((Address) => ({ Name: '', Address })),
    ReplyTo: people(email.replyTo),
    Subject: email.subject ?? '',
    Username: mail.username,
    Tags: [],
    Size: mail.raw.length,
  };
}

function people(addresses: readonly Address[] | undefined): NameAndAddress[] {
  return (addresses ?? [])
    .flatMap((entry): MailAddress[] => entry.group ?? [entry])
    .map(({ name, address }) => ({ Name: name, Address: address }));
}

function isInline(attachment: Email['attachments'][number]): boolean {
  return attachment.related === true || attachment.disposition === 'inline';
}

function snippetOf({ text, html }: Email): string {
  const plain = text?.trim() ? text : (html ?? '').replace(/<(style|script)\b[\s\S]*?<\/\1>|<[^>]*>/gi, ' ');
  return plain.replace(/\s+/g, ' ').trim().slice(0, 250);
}

function validDate(date: string | undefined): string | undefined {
  const time = date === undefined ? Number.NaN : Date.parse(date);
  return Number.isNaN(time) ? undefined : new Date(time).toISOString();
}
