import { createPrivateKey, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { VerifierKey } from './verifier-key.js';

const SEED_BYTES = 32;
/** DER of PrivateKeyInfo for Ed25519 (RFC 8410) up to the seed's 32 bytes. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/** An Ed25519 private key, and its name in signatures. */
export class SigningKey {
  readonly verifier: VerifierKey;
  readonly #key: KeyObject;

  /** @throws SyntaxError for a key that is not of Ed25519, or a name that a note cannot have */
  constructor(name: string, key: KeyObject) {
    if (key.asymmetricKeyType !== 'ed25519') throw new SyntaxError('The key is not of Ed25519');
    this.#key = key;
    const { x } = createPublicKey(key).export({ format: 'jwk' });
    this.verifier = new VerifierKey(name, Buffer.from(x ?? '', 'base64url'));
  }

  /** The signature, 64 bytes. */
  sign(text: string): Buffer {
    return sign(null, Buffer.from(text), this.#key);
  }

  /** The private part, 32 bytes: for deriving what is not given beside it, never to be shown. */
  get seed(): Buffer {
    return Buffer.from(this.#key.export({ format: 'jwk' }).d ?? '', 'base64url');
  }
}

/**
 * A private key as settings give it: PKCS#8 PEM, the base64 of the 32-byte seed, or the path of a file with either.
 * @throws Error when it is none of them; the message never holds any of the text, which may be a secret
 */
export function privateKey(given: string): KeyObject {
  const text = given.trim();
  const key = keyIn(text) ?? keyIn(fileText(text));
  if (!key)
    throw new Error(
      'must be an Ed25519 private key: PKCS#8 PEM, the base64 of its 32-byte seed, or a file with either',
    );
  return key;
}

function keyIn(text: string | undefined): KeyObject | undefined {
  if (text === undefined) return undefined;
  if (text.includes('-----BEGIN')) return fromPem(text);
  const seed = Buffer.from(text, 'base64');
  if (seed.length !== SEED_BYTES || unpadded(seed.toString('base64')) !== unpadded(text)) return undefined;
  return createPrivateKey({ key: Buffer.concat([PKCS8, seed]), format: 'der', type: 'pkcs8' });
}

const unpadded = (base64: string): string => base64.replace(/=+$/, '');

/** In a variable of one line, line feeds are often written as \n. */
function fromPem(text: string): KeyObject | undefined {
  try {
    const key = createPrivateKey(text.replaceAll(String.raw`\n`, '\n'));
    return key.asymmetricKeyType === 'ed25519' ? key : undefined;
  } catch {
    return undefined;
  }
}

function fileText(path: string): string | undefined {
  if (path === '' || path.length > 4096 || path.includes('\n')) return undefined;
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}
