import { describe, expect, it } from 'vitest';
import { AddressGuard, parseNetwork } from './address-guard.js';

const guard = new AddressGuard([]);

describe('an address that is not public is never allowed', () => {
  it.each([
    ['this host', '0.0.0.0'],
    ['this network', '0.1.2.3'],
    ['loopback', '127.0.0.1'],
    ['loopback, elsewhere', '127.255.255.254'],
    ['private', '10.0.0.1'],
    ['private', '172.16.0.1'],
    ['private', '172.31.255.255'],
    ['private', '192.168.0.1'],
    ['carrier-grade NAT', '100.64.0.1'],
    ['metadata of Alibaba Cloud', '100.100.100.200'],
    ['link-local', '169.254.0.1'],
    ['metadata', '169.254.169.254'],
    ['metadata of Oracle Cloud', '192.0.0.192'],
    ['platform of Azure', '168.63.129.16'],
    ['documentation', '192.0.2.1'],
    ['documentation', '198.51.100.1'],
    ['documentation', '203.0.113.1'],
    ['benchmarking', '198.18.0.1'],
    ['6to4 relay', '192.88.99.1'],
    ['multicast', '224.0.0.1'],
    ['reserved', '240.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['unspecified', '::'],
    ['loopback', '::1'],
    ['loopback, in full', '0:0:0:0:0:0:0:1'],
    ['mapped loopback', '::ffff:127.0.0.1'],
    ['mapped loopback, in hexadecimal', '::ffff:7f00:1'],
    ['mapped metadata', '::ffff:a9fe:a9fe'],
    ['compatible loopback', '::127.0.0.1'],
    ['compatible loopback, in hexadecimal', '::7f00:1'],
    ['translated loopback', '::ffff:0:127.0.0.1'],
    ['NAT64 loopback', '64:ff9b::127.0.0.1'],
    ['NAT64 private', '64:ff9b::a00:1'],
    ['local NAT64', '64:ff9b:1::1'],
    ['6to4 loopback', '2002:7f00:1::'],
    ['Teredo', '2001::1'],
    ['unique local', 'fd00::1'],
    ['unique local', 'fc00::1'],
    ['metadata of AWS', 'fd00:ec2::254'],
    ['link-local', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['site-local', 'fec0::1'],
    ['multicast', 'ff02::1'],
    ['documentation', '2001:db8::1'],
    ['documentation', '3fff::1'],
    ['discard', '100::1'],
    ['segment routing', '5f00::1'],
    ['not given out', '4000::1'],
    ['not given out', '1::1'],
    ['no address', 'localhost'],
    ['no address', ''],
  ])('%s: %s', (_what, address) => {
    expect(guard.allows(address, 'https:')).toBe(false);
    expect(guard.allows(address, 'http:')).toBe(false);
  });
});

describe('a public address', () => {
  it.each([
    '8.8.8.8',
    '172.15.255.255',
    '172.32.0.1',
    '100.63.255.255',
    '::ffff:8.8.8.8',
    '2606:4700::1111',
    '2a00::1',
  ])('%s is allowed by https:// alone', (address) => {
    expect(guard.allows(address, 'https:')).toBe(true);
    expect(guard.allows(address, 'http:')).toBe(false);
  });
});

describe('an allowed network', () => {
  const open = new AddressGuard(
    ['10.1.0.0/16', 'fd00:1::/32', '192.168.1.7', '::ffff:172.16.0.0/108'].map(parseNetwork),
  );

  it.each(['10.1.2.3', '::ffff:10.1.2.3', '::ffff:a01:203', 'fd00:1::9', '192.168.1.7', '172.16.5.5'])(
    'lets %s through, by http:// too',
    (address) => {
      expect(open.allows(address, 'http:')).toBe(true);
      expect(open.allows(address, 'https:')).toBe(true);
    },
  );
  it.each(['10.2.0.1', 'fd00:2::1', '192.168.1.8', '127.0.0.1', '172.32.0.1'])('does not let %s through', (address) => {
    expect(open.allows(address, 'http:')).toBe(false);
  });
});
