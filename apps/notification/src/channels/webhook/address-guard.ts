import { lookup as resolve, type LookupAddress, type LookupOptions } from 'node:dns';
import ipaddr from 'ipaddr.js';
import type { Network } from '../settings.js';

/** The address that a webhook's host stands for is one that we do not call. */
export class AddressBlockedError extends Error {
  constructor(host: string) {
    super(`The address of ${host.slice(0, 200)} is not one that webhooks may go to`);
    this.name = 'AddressBlockedError';
  }
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Done = (error: Error | null, address: string | LookupAddress[], family?: number) => void;
export type Resolver = (
  host: string,
  options: LookupOptions & { all: true },
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/**
 * Keeps webhooks away from what only this machine or its network can reach (server-side request forgery). It checks the
 * addresses that are then dialled, not the name: a name that changes its mind in between (DNS rebinding) changes nothing.
 */
export class AddressGuard {
  readonly #allowed: readonly Network[];
  readonly #resolve: Resolver;

  constructor(allowed: readonly Network[], resolver: Resolver = resolve) {
    this.#allowed = allowed;
    this.#resolve = resolver;
  }

  /** Throws AddressBlockedError when the host is an address, in brackets or not, that may not be called. Names are checked later. */
  assertLiteral(host: string, encrypted: boolean): void {
    const bare = host.replace(/^\[|\]$/g, '');
    if (ipaddr.isValid(bare) && !this.#permits(bare, encrypted)) throw new AddressBlockedError(host);
  }

  /** A `lookup` for sockets that gives only addresses that may be called. */
  lookup(encrypted: boolean) {
    return (host: string, options: LookupOptions, done: Done): void => {
      this.#resolve(host, { ...options, all: true }, (error, addresses) => {
        if (error) return done(error, []);
        const permitted = addresses.filter(({ address }) => this.#permits(address, encrypted));
        const [first] = permitted;
        if (!first) return done(new AddressBlockedError(host), []);
        if (options.all) done(null, permitted);
        else done(null, first.address, first.family);
      });
    };
  }

  /** Public unicast addresses, over TLS; and the allowed networks, however. */
  #permits(text: string, encrypted: boolean): boolean {
    const address = plain(ipaddr.parse(text));
    if (
      this.#allowed.some(
        ([network, bits]) => network.kind() === address.kind() && address.match(network as never, bits),
      )
    )
      return true;
    return encrypted && address.range() === 'unicast';
  }
}

/** An IPv4 address that is written as IPv6 is judged as what it is. */
function plain(address: Address): Address {
  return address.kind() === 'ipv6' && (address as ipaddr.IPv6).isIPv4MappedAddress()
    ? (address as ipaddr.IPv6).toIPv4Address()
    : address;
}
