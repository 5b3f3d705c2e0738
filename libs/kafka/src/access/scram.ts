import { createRequire } from 'node:module';
import { pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

/** As many as Kafka's own tools take at least, and more than RFC 7677 asks for: passwords are 256 random bits here. */
const ITERATIONS = 8_192;
const SALT_BYTES = 32;
const DIGEST_BYTES = 64;
/** AlterUserScramCredentials (KIP-554), which kafkajs does not know. */
const API_KEY = 51;
const SCRAM_SHA_512 = 2;

/** What Kafka keeps of a password, or rather derives what it keeps from (RFC 5802, SaltedPassword). */
export interface Credential {
  readonly user: string;
  readonly iterations: number;
  readonly salt: Buffer;
  readonly saltedPassword: Buffer;
}

/** Salts the password, so that Kafka is never told it. A new salt each time. */
export async function credentialOf(user: string, password: string): Promise<Credential> {
  const salt = randomBytes(SALT_BYTES);
  const saltedPassword = await promisify(pbkdf2)(password, salt, ITERATIONS, DIGEST_BYTES, 'sha512');
  return { user, iterations: ITERATIONS, salt, saltedPassword };
}

interface Encoder {
  writeBuffer(bytes: Buffer): Encoder;
}
interface ProtocolRequest {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    encode(): Promise<Encoder>;
  };
  readonly response: {
    decode(payload: Buffer): Promise<ScramAnswer[]>;
    parse(answers: ScramAnswer[]): Promise<ScramAnswer[]>;
  };
}
/** A broker of kafkajs, as far as it is needed to send it what kafkajs has no method for. */
export interface RawBroker {
  readonly connectionPool: { send(request: ProtocolRequest): Promise<ScramAnswer[]> };
}

interface ScramAnswer {
  readonly user: string;
  readonly errorCode: number;
  readonly errorMessage: string | undefined;
}

/** Tells the controller the credentials; they hold from the next login on. Rejects with Kafka's words when it refuses one. */
export async function alterScramCredentials(controller: RawBroker, credentials: readonly Credential[]): Promise<void> {
  const Encoder = createRequire(import.meta.url)('kafkajs/src/protocol/encoder') as new () => Encoder;
  const answers = await controller.connectionPool.send({
    request: {
      apiKey: API_KEY,
      apiVersion: 0,
      apiName: 'AlterUserScramCredentials',
      encode: async () => new Encoder().writeBuffer(encodeRequest(credentials)),
    },
    response: { decode: async (payload) => decodeAnswers(payload), parse: async (answers) => answers },
  });
  const refused = answers.filter(({ errorCode }) => errorCode !== 0);
  if (refused.length === 0) return;
  const reasons = refused.map(
    ({ user, errorCode, errorMessage }) => `${user}: ${errorMessage ?? `error ${errorCode}`}`,
  );
  throw new Error(`Kafka does not take the passwords of ${reasons.join(', ')}`);
}

/** The request's end, from the tagged fields of its header on; lengths are one more than they are, zero means null (KIP-482). */
export function encodeRequest(credentials: readonly Credential[]): Buffer {
  const upsertions = credentials.map(({ user, iterations, salt, saltedPassword }) => {
    const fixed = Buffer.alloc(5);
    fixed.writeInt8(SCRAM_SHA_512, 0);
    fixed.writeInt32BE(iterations, 1);
    return Buffer.concat([sized(Buffer.from(user)), fixed, sized(salt), sized(saltedPassword), NO_TAGS]);
  });
  const noDeletions = unsigned(1);
  return Buffer.concat([NO_TAGS, noDeletions, unsigned(upsertions.length + 1), ...upsertions, NO_TAGS]);
}

const NO_TAGS = Buffer.from([0]);
const sized = (bytes: Buffer): Buffer => Buffer.concat([unsigned(bytes.length + 1), bytes]);

function unsigned(value: number): Buffer {
  const bytes: number[] = [];
  for (; value > 0x7f; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}

/** @param payload the answer from the tagged fields of its header on */
export function decodeAnswers(payload: Buffer): ScramAnswer[] {
  const reader = new Reader(payload);
  reader.skipTags();
  reader.int32(); // throttled for, milliseconds
  return Array.from({ length: reader.unsigned() - 1 }, () => {
    const user = reader.text() ?? '';
    const errorCode = reader.int16();
    const errorMessage = reader.text();
    reader.skipTags();
    return { user, errorCode, errorMessage };
  });
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    return this.#bytes.readInt16BE((this.#at += 2) - 2);
  }

  int32(): number {
    return this.#bytes.readInt32BE((this.#at += 4) - 4);
  }

  unsigned(): number {
    for (let value = 0, shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  text(): string | undefined {
    const length = this.unsigned() - 1;
    if (length < 0) return undefined;
    return this.#bytes.toString('utf8', this.#at, (this.#at += length));
  }

  skipTags(): void {
    for (let left = this.unsigned(); left > 0; left--) {
      this.unsigned();
      const length = this.unsigned();
      this.#at += length;
    }
  }
}
