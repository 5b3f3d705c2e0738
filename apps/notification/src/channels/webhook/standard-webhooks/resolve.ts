import { lookup, Resolver } from 'node:dns/promises';

/** All addresses of a host; rejects with a code of getaddrinfo's or c-ares' when there are none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** Codes with which DNS says "not here" at once; anything else (a time-out) is not asked again another way. */
const NOT_IN_DNS = new Set(['ENOTFOUND', 'ENODATA', 'ECONNREFUSED', 'EREFUSED', 'ENOTIMP', 'EFORMERR', 'EBADNAME']);
/** Per query, milliseconds; two tries stay below the time a connection may take. */
const RESOLVER = { timeout: 2000, tries: 2 };

/**
 * Asks DNS without the thread pool. getaddrinfo holds one of four threads while it waits, so four hosts with a slow name
 * server would stop every other webhook, and file and crypto work too. It is still asked for what DNS does not know: names from
 * /etc/hosts, short names of a container network.
 */
export async function resolveHost(hostname: string): Promise<readonly string[]> {
  // RFC 6761, section 6.3: never a question for DNS.
  if (/^(.+\.)?localhost\.?$/i.test(hostname)) return ['127.0.0.1', '::1'];
  const resolver = new Resolver(RESOLVER);
  const answers = await Promise.allSettled([resolver.resolve4(hostname), resolver.resolve6(hostname)]);
  const addresses = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (addresses.length > 0) return addresses;
  for (const answer of answers) {
    if (answer.status === 'rejected' && !NOT_IN_DNS.has((answer.reason as NodeJS.ErrnoException).code ?? '')) {
      throw answer.reason;
    }
  }
  return (await lookup(hostname, { all: true })).map(({ address }) => address);
}
