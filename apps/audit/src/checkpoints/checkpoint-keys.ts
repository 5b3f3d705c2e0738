import type { KeyObject } from 'node:crypto';
import { KeyRing, privateKey, SigningKey, type VerifierKey } from '@bongsu/audit-chain';
import type { Setting } from '@bongsu/config';

/** An Ed25519 private key: PKCS#8 PEM, a file with it, or the base64 of its 32-byte seed. */
export const signingKey = (description: string): Setting<KeyObject> => ({
  description,
  fallback: undefined,
  secret: true,
  parse: privateKey,
});

export interface GivenKeys {
  readonly AUDIT_SIGNING_KEY: KeyObject | undefined;
  readonly AUDIT_PREVIOUS_SIGNING_KEY: KeyObject | undefined;
  readonly AUDIT_ORIGIN: string;
}

/** What checkpoints are signed with: the current key, and while it is being announced, the one before. */
export class CheckpointKeys {
  readonly log: string;
  /** Undefined: nothing is signed. */
  readonly current: SigningKey | undefined;
  readonly previous: SigningKey | undefined;

  constructor(given: GivenKeys) {
    this.log = given.AUDIT_ORIGIN;
    this.current = given.AUDIT_SIGNING_KEY && new SigningKey(this.log, given.AUDIT_SIGNING_KEY);
    const previous = given.AUDIT_PREVIOUS_SIGNING_KEY;
    const isOther = previous !== undefined && given.AUDIT_SIGNING_KEY?.equals(previous) === false;
    this.previous = isOther ? new SigningKey(this.log, previous) : undefined;
  }

  /** The public keys that are known here, the older one first. */
  get own(): VerifierKey[] {
    return [this.previous, this.current].flatMap((key) => (key ? [key.verifier] : []));
  }

  /** Those, and all that are bound to them by announcements, in either direction. */
  ring(announcements: Iterable<string>): KeyRing {
    const ring = new KeyRing(...this.own);
    ring.learn(announcements);
    return ring;
  }
}
