import { lookup, Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** All addresses of a host; rejects with a code of getaddrinfo's or c-ares' when there are none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

export interface ResolverOptions {
  /** Name servers in place of the system's, `address:port`. */
  readonly servers?: readonly string[];
  /** Per query, milliseconds; a query is made twice. */
  readonly timeoutMs?: number;
}

/** Codes with which DNS says "not here" at once; anything else (a time-out) is not asked again another way. */
const NOT_IN_DNS = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED', 'EREFUSED', 'ENOTIMP', 'EFORMERR', 'EBADNAME']);
/** With one family known, the other is waited for this long, milliseconds (RFC 8305, section 3, sets 50). */
const OTHER_FAMILY_MS = 50;

/**
 * Asks DNS without the thread pool. getaddrinfo holds one of four threads while it waits, so four hosts with a slow name
 * server would stop every other webhook, and file and crypto work too. It is still asked for what DNS does not know: names from
 * /etc/hosts, short names of a container network.
 */
export function hostResolver({ servers, timeoutMs = 2000 }: ResolverOptions = {}): Resolve {
  return async (hostname) => {
    // RFC 6761, section 6.3: never a question for DNS.
    if (/^(.+\.)?localhost\.?$/i.test(hostname)) return ['127.0.0.1', '::1'];
    const resolver = new Resolver({ timeout: timeoutMs, tries: 2 });
    if (servers) resolver.setServers(servers);
    const queries = [resolver.resolve4(hostname), resolver.resolve6(hostname)];
    try {
      await Promise.any(queries);
    } catch (error) {
      const codes = (error as AggregateError).errors.map(({ code }: NodeJS.ErrnoException) => code ?? '');
      if (!codes.every((code) => NOT_IN_DNS.has(code))) throw (error as AggregateError).errors[0];
      return (await lookup(hostname, { all: true })).map(({ address }) => address);
    }
    const answers = await Promise.all(
      queries.map((query) => Promise.race([query, sleep(OTHER_FAMILY_MS, [])]).catch(() => [])),
    );
    resolver.cancel();
    return answers.flat();
  };
}
