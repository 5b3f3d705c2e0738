import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';

/** Ed25519 in C2SP's signed-note. */
const ED25519 = 0x01;
const PUBLIC_BYTES = 32;
const KEY_ID_BYTES = 4;
/** Neither spaces nor `+`, which separate; nor what would not be seen. */
const NAME = /^[^\s+\p{C}]{1,200}$/u;
/** DER of SubjectPublicKeyInfo for Ed25519 (RFC 8410) up to the key's 32 bytes. */
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** What checkpoints' signatures are checked with: `<name>+<key id in hexadecimal>+<base64 of 0x01 and the public key>`. */
export class VerifierKey {
  readonly name: string;
  /** The first 4 bytes of SHA-256(name || 0x0A || 0x01 || public key): finds a key, proves nothing. */
  readonly id: Buffer;
  readonly #typed: Buffer;
  readonly #key: KeyObject;

  /**
   * @param publicKey Ed25519, 32 bytes
   * @throws SyntaxError for a name that a note cannot have, or bytes that are no key
   */
  constructor(name: string, publicKey: Buffer) {
    if (!NAME.test(name)) throw new SyntaxError('A key name has no spaces and no +');
    if (publicKey.length !== PUBLIC_BYTES) throw new SyntaxError('An Ed25519 public key has 32 bytes');
    this.name = name;
    this.#typed = Buffer.concat([Buffer.from([ED25519]), publicKey]);
    this.id = keyId(name, this.#typed);
    this.#key = createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  }

  /** @throws SyntaxError for text that is no verifier key, or whose key id is not that of its key */
  static parse(text: string): VerifierKey {
    const [, name, id, base64] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})$/.exec(text) ?? [];
    if (name === undefined || base64 === undefined)
      throw new SyntaxError('A verifier key is <name>+<key id>+<base64>, the key id of 8 hexadecimal digits');
    const typed = Buffer.from(base64, 'base64');
    if (typed[0] !== ED25519 || typed.toString('base64') !== base64)
      throw new SyntaxError('The verifier key is not one of Ed25519 (type 1)');
    const key = new VerifierKey(name, typed.subarray(1));
    if (key.id.toString('hex') !== id)
      throw new SyntaxError('The key id is not that of the key: it was mistyped or changed');
    return key;
  }

  /** Whether the signature (64 bytes) is this key's over the text. */
  signed(text: string, signature: Buffer): boolean {
    return verify(null, Buffer.from(text), this.#key, signature);
  }

  toString(): string {
    return `${this.name}+${this.id.toString('hex')}+${this.#typed.toString('base64')}`;
  }
}

const keyId = (name: string, typed: Buffer): Buffer =>
  hash('sha256', Buffer.concat([Buffer.from(`${name}\n`), typed]), 'buffer').subarray(0, KEY_ID_BYTES);
