import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
/** A network: its address and the length of its prefix. */
export type Network = readonly [Address, number];
export type Protocol = 'http:' | 'https:';

/** All of IPv6 that is given out as global unicast (https://www.iana.org/assignments/ipv6-address-space): nothing else is public. */
const GLOBAL_UNICAST: Network = ipaddr.IPv6.parseCIDR('2000::/3');
/** Azure's platform address: from a public range, but it answers from inside the host, as 169.254.169.254 does. */
const AZURE_PLATFORM = '168.63.129.16';

/**
 * Reads a network in CIDR notation, or one address. Only in the usual notation: `10/8` and `010.0.0.0/8` would be read as 0.0.0.0/8
 * and 8.0.0.0/8, and open what nobody meant to open.
 */
export function parseNetwork(text: string): Network {
  try {
    if (isIP(text.split('/', 1)[0] ?? '') === 0) throw new Error('not an address');
    const [address, bits] = text.includes('/') ? ipaddr.parseCIDR(text) : wholeAddress(ipaddr.parse(text));
    // Addresses are compared in their IPv4 form, so a network in the mapped form would never match.
    if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && bits >= 96) {
      return [address.toIPv4Address(), bits - 96];
    }
    return [address, bits];
  } catch {
    throw new Error('must be networks in CIDR notation such as 10.0.0.0/8, comma-separated');
  }
}

/** The host that was asked for has no address that may be dialled. */
export class AddressBlockedError extends Error {
  readonly code = 'ADDRESS_BLOCKED';
  constructor() {
    super('no address of the host may be dialled');
    this.name = 'AddressBlockedError';
  }
}

/**
 * Decides which addresses webhooks may go to, so that nobody reaches what only this machine can reach (SSRF). Public addresses
 * only, and over TLS only; the networks allowed by the operator are let through, by http:// too.
 */
export class AddressGuard {
  readonly #allowed: readonly Network[];

  constructor(allowed: readonly Network[]) {
    this.#allowed = allowed;
  }

  /** @param address an IPv4 or IPv6 address in any usual notation, with or without a zone. */
  allows(address: string, protocol: Protocol): boolean {
    if (!ipaddr.isValid(address)) return false;
    const parsed = ipaddr.process(address);
    if (this.#allowed.some((network) => contains(network, parsed))) return true;
    return protocol === 'https:' && isPublic(parsed);
  }
}

function isPublic(address: Address): boolean {
  // Everything that only wraps an IPv4 address (NAT64, 6to4, Teredo, …) has a range of its own, so it is not "unicast".
  if (address.range() !== 'unicast') return false;
  return address instanceof ipaddr.IPv6 ? contains(GLOBAL_UNICAST, address) : address.toString() !== AZURE_PLATFORM;
}

const contains = ([network, bits]: Network, address: Address): boolean =>
  address.kind() === network.kind() && address.match(network, bits);

const wholeAddress = (address: Address): [Address, number] => [address, address.kind() === 'ipv4' ? 32 : 128];
