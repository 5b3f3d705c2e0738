import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { CaughtMail, Mailbox } from './mailbox.ts';
import { describe, headersOf, matches, summarise } from './message.ts';

const PAGE = join(import.meta.dirname, 'page');
const FILES = new Map([
  ['/', { file: 'index.html', type: 'text/html; charset=utf-8' }],
  ['/page.js', { file: 'page.js', type: 'text/javascript; charset=utf-8' }],
  ['/page.css', { file: 'page.css', type: 'text/css; charset=utf-8' }],
]);

/** The page may do what it needs and nothing else. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/** A mail is a stranger's page: no scripts, nothing fetched from elsewhere, no access to ours. */
const MAIL_POLICY = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'; frame-ancestors 'self'";

/** The page and the API of the mail catcher. Not listening yet. */
export function webServer(mailbox: Mailbox): Server {
  return createServer((request, response) => {
    answer(mailbox, request, response).catch((error: unknown) => {
      if (!response.headersSent) send(response, 500, 'text/plain', String(error));
    });
  });
}

async function answer(mailbox: Mailbox, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  const file = FILES.get(pathname);
  if (pathname === '/api/v1/messages' && request.method === 'DELETE') return remove(mailbox, request, response);
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return send(response, 405, 'text/plain', 'method not allowed');
  if (file)
    return send(response, 200, file.type, readFileSync(join(PAGE, file.file)), {
      'content-security-policy': PAGE_POLICY,
    });
  if (pathname === '/livez' || pathname === '/readyz') return send(response, 200, 'text/plain', 'ok');
  if (pathname === '/api/v1/messages') return sendJson(response, await list(mailbox, mailbox.all(), searchParams));
  if (pathname === '/api/v1/search') {
    const query = searchParams.get('query') ?? '';
    const hits = await Promise.all(mailbox.all().map(async (mail) => ((await matches(mail, query)) ? [mail] : [])));
    return sendJson(response, await list(mailbox, hits.flat(), searchParams));
  }
  const [, id, part] = /^\/api\/v1\/message\/([\w-]+)(?:\/(headers|raw))?$/.exec(pathname) ?? [];
  const [, viewed, format] = /^\/view\/([\w-]+)\.(html|txt)$/.exec(pathname) ?? [];
  const mail = mailbox.get(id ?? viewed ?? '');
  if (!mail) return send(response, 404, 'text/plain', 'not found');
  return format ? sendView(response, mail, format) : sendMessage(response, mail, part);
}

async function list(mailbox: Mailbox, mails: readonly CaughtMail[], parameters: URLSearchParams): Promise<object> {
  const start = number(parameters.get('start'), 0, 0, Number.MAX_SAFE_INTEGER);
  const limit = number(parameters.get('limit'), 50, 0, 1_000);
  const shown = mails.slice(start, start + limit);
  const all = mailbox.all();
  return {
    total: all.length,
    unread: all.filter(({ read }) => !read).length,
    count: shown.length,
    messages_count: mails.length,
    messages_unread: mails.filter(({ read }) => !read).length,
    start,
    tags: [],
    messages: await Promise.all(shown.map(summarise)),
  };
}

async function sendMessage(response: ServerResponse, mail: CaughtMail, part: string | undefined): Promise<void> {
  if (part === 'raw') return send(response, 200, 'text/plain; charset=utf-8', mail.raw);
  if (part === 'headers') return sendJson(response, await headersOf(mail));
  mail.read = true;
  return sendJson(response, await describe(mail));
}

async function sendView(response: ServerResponse, mail: CaughtMail, format: string): Promise<void> {
  const { HTML, Text } = await describe(mail);
  const type = format === 'html' ? 'text/html; charset=utf-8' : 'text/plain; charset=utf-8';
  return send(response, 200, type, format === 'html' ? HTML : Text, { 'content-security-policy': MAIL_POLICY });
}

/** Those whose ids the body names (`{"IDs": […]}`), all without a body. */
async function remove(mailbox: Mailbox, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > 1 << 20) return send(response, 413, 'text/plain', 'too many ids');
  }
  const ids = body.trim() === '' ? undefined : idsIn(body);
  if (ids === null) return send(response, 400, 'text/plain', 'the body is not {"IDs": […]}');
  if (ids === undefined || ids.length === 0) mailbox.clear();
  else for (const id of ids) mailbox.delete(id);
  return send(response, 200, 'text/plain', 'ok');
}

function idsIn(body: string): string[] | undefined | null {
  try {
    const value = JSON.parse(body) as { IDs?: unknown } | null;
    if (value?.IDs === undefined) return undefined;
    return Array.isArray(value.IDs) ? value.IDs.map(String) : null;
  } catch {
    return null;
  }
}

function number(text: string | null, fallback: number, least: number, most: number): number {
  const value = Number(text ?? fallback);
  return Number.isInteger(value) ? Math.min(Math.max(value, least), most) : fallback;
}

function sendJson(response: ServerResponse, body: object): void {
  send(response, 200, 'application/json', JSON.stringify(body));
}

function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    ...headers,
  });
  response.end(body);
}
