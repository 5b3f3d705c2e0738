import { isIP, isIPv6, type LookupFunction } from 'node:net';
import { buildConnector } from 'undici';
import { AddressBlockedError, type AddressGuard, type Protocol } from './address-guard.js';
import type { Resolve } from './resolve.js';

export interface ConnectorOptions {
  readonly guard: AddressGuard;
  readonly resolve: Resolve;
  /** Authorities to trust instead of Node's own, PEM. */
  readonly ca?: string;
}

/** A connection must stand after this long, milliseconds: name, TCP and TLS together. */
const CONNECT_MS = 10_000;
/**
 * How long one of several addresses is tried before the next, milliseconds: as long as a lost SYN needs to be sent again (1 s), and some
 * more. Node's own 250 are less than the way to the other side of the world, and its attempts do not run side by side: a far host
 * with an IPv6 address as well could not be reached at all from a machine without IPv6.
 */
const ATTEMPT_MS = 3_000;

/**
 * Dials only addresses that the guard allows. The name is resolved here, once, and the socket goes to those very addresses: there
 * is no second look-up that could be answered differently (DNS rebinding). TLS and the Host header keep the name.
 */
export function guardedConnector({ guard, resolve, ca }: ConnectorOptions): buildConnector.connector {
  const connectorFor = (protocol: Protocol): buildConnector.connector =>
    buildConnector({
      timeout: CONNECT_MS,
      allowH2: false,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
      lookup: guardedLookup(guard, protocol, resolve),
      ...(ca === undefined ? {} : { ca }),
    });
  const connectors = { 'http:': connectorFor('http:'), 'https:': connectorFor('https:') };
  return (options, callback) => {
    const protocol = options.protocol === 'https:' ? 'https:' : 'http:';
    // An address in place of a name is dialled without a look-up.
    if (isIP(options.hostname) !== 0 && !guard.allows(options.hostname, protocol)) {
      queueMicrotask(() => callback(new AddressBlockedError(), null));
      return;
    }
    connectors[protocol](options, callback);
  };
}

function guardedLookup(guard: AddressGuard, protocol: Protocol, resolve: Resolve): LookupFunction {
  return (hostname, { all }, callback) => {
    const answer = async (): Promise<void> => {
      const addresses = await resolve(hostname);
      const [first, ...others] = addresses
        .filter((address) => guard.allows(address, protocol))
        .map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
      if (!first) throw new AddressBlockedError();
      if (all) callback(null, [first, ...others]);
      else callback(null, first.address, first.family);
    };
    answer().catch((error: NodeJS.ErrnoException) => callback(error, ''));
  };
}
