import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A key and its certificate, PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

const [SEQUENCE, SET, INTEGER, BIT_STRING, OCTET_STRING, OID, UTF8, UTC_TIME, BOOLEAN] = [
  0x30, 0x31, 0x02, 0x03, 0x04, 0x06, 0x0c, 0x17, 0x01,
];
const ECDSA_WITH_SHA256 = '2a8648ce3d040302';
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const BASIC_CONSTRAINTS = '551d13';

/**
 * Makes a self-signed certificate for host names, valid from yesterday to tomorrow. X.509 by hand (RFC 5280), because a key that
 * lies in a repository gets used.
 */
export function selfSigned(...names: string[]): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const algorithm = der(SEQUENCE, oid(ECDSA_WITH_SHA256));
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid(COMMON_NAME), der(UTF8, Buffer.from(names[0] ?? '')))));
  const alternatives = der(SEQUENCE, ...names.map((each) => der(0x82, Buffer.from(each))));
  const authority = der(SEQUENCE, der(BOOLEAN, Buffer.from([0xff])));
  const body = der(
    SEQUENCE,
    der(0xa0, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    name,
    der(SEQUENCE, time(-86_400_000), time(86_400_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      der(
        SEQUENCE,
        der(SEQUENCE, oid(SUBJECT_ALT_NAME), der(OCTET_STRING, alternatives)),
        der(SEQUENCE, oid(BASIC_CONSTRAINTS), der(OCTET_STRING, authority)),
      ),
    ),
  );
  const certificate = der(SEQUENCE, body, algorithm, bits(sign('sha256', body, privateKey)));
  const base64 = certificate.toString('base64').replaceAll(/(.{64})/g, '$1\n');
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    cert: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
  };
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const oid = (hex: string): Buffer => der(OID, Buffer.from(hex, 'hex'));
const bits = (content: Buffer): Buffer => der(BIT_STRING, Buffer.from([0]), content);
const time = (fromNow: number): Buffer =>
  der(UTC_TIME, Buffer.from(`${new Date(Date.now() + fromNow).toISOString().replaceAll(/\D/g, '').slice(2, 14)}Z`));
