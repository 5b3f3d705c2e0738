import { CommandFailure, EXIT } from '../command-line/exit.js';
import { printable } from '../command-line/output.js';
import type { Endpoint } from '../settings.js';

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: T;
}

export interface Call {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly query?: Record<string, string | undefined>;
  readonly headers?: Record<string, string>;
  readonly body?: string;
  /** Milliseconds until the call is given up. */
  readonly timeoutMs?: number;
}

interface Problem {
  readonly title?: string;
  readonly detail?: string;
  readonly code?: string;
  readonly requestId?: string;
  readonly errors?: readonly { pointer?: string; detail?: string }[];
}

/**
 * Calls a service and gives its JSON answer. Throws a CommandFailure: `unreachable` when there is no answer, a 5xx or the
 * key is not accepted, `failed` for any other refusal, with the problem that the service named.
 */
export async function call<T>(endpoint: Endpoint, request: Call): Promise<Answer<T>> {
  const response = await respond(endpoint, request);
  const text = await response.text();
  const body = asJson(text);
  if (!response.ok) throw refusal(endpoint, response.status, body as Problem | undefined);
  if (body === undefined) {
    throw new CommandFailure(
      EXIT.unreachable,
      `${endpoint.url} does not answer like the ${endpoint.name} (no JSON); ${endpoint.variable} says where it is`,
    );
  }
  return { status: response.status, headers: response.headers, body: body as T };
}

/**
 * Calls a service and gives the bytes of its answer as they come. Throws a CommandFailure as `call` does; reading rejects
 * with a TypeError when the answer breaks off.
 * @param request `timeoutMs` limits the whole answer; a day when not given
 */
export async function stream(endpoint: Endpoint, request: Call): Promise<AsyncIterable<Uint8Array>> {
  const response = await respond(endpoint, { timeoutMs: 86_400_000, ...request });
  if (!response.ok) throw refusal(endpoint, response.status, asJson(await response.text()) as Problem | undefined);
  if (!response.body) throw new CommandFailure(EXIT.unreachable, `${endpoint.url} answers nothing`);
  return response.body;
}

async function respond(
  endpoint: Endpoint,
  { method = 'GET', path, query = {}, headers = {}, body, timeoutMs = 30_000 }: Call,
): Promise<Response> {
  const target = new URL(endpoint.url);
  target.pathname = `${target.pathname.replace(/\/$/, '')}${path}`;
  for (const [name, value] of Object.entries(query)) if (value !== undefined) target.searchParams.set(name, value);
  try {
    return await fetch(target, {
      method,
      redirect: 'error', // a key must not follow a redirect to somewhere else
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        accept: 'application/json',
        ...(endpoint.key === undefined ? {} : { authorization: `Bearer ${endpoint.key}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body }),
    });
  } catch (cause) {
    throw new CommandFailure(
      EXIT.unreachable,
      `The ${endpoint.name} at ${endpoint.url} cannot be reached: ${reason(cause)}. Is it running? ${endpoint.variable} says where it is.`,
      { cause },
    );
  }
}

function refusal(endpoint: Endpoint, status: number, problem: Problem | undefined): CommandFailure {
  const lines = [
    `The ${endpoint.name} answered ${status} ${problem?.code ?? ''}: ${problem?.detail ?? problem?.title ?? 'no reason given'}`,
  ];
  for (const { pointer, detail } of problem?.errors ?? []) lines.push(`  ${pointer ?? ''} ${detail ?? ''}`);
  if (problem?.requestId !== undefined) lines.push(`  request ${problem.requestId}`);
  if (status === 401) {
    lines.push(
      endpoint.key === undefined
        ? '  No key was given: set BONGSU_API_KEY (the local stack prints its key, and keeps it in .bongsu/api-key)'
        : '  The key was not accepted: check BONGSU_API_KEY',
    );
  }
  const exit = status === 401 || status === 403 || status >= 500 ? EXIT.unreachable : EXIT.failed;
  return new CommandFailure(exit, lines.map(printable).join('\n'));
}

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What went wrong with a connection, in words: fetch hides it in the cause, and that one in a list when several addresses were tried. */
export function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  if (error.name === 'TimeoutError') return 'no answer in time';
  return error.cause === undefined ? error.message : reason(error.cause);
}
