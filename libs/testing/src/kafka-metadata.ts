/** A broker as a Metadata response names it. */
export interface BrokerAddress {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

type LeaderOf = (topic: string, partition: number) => number;

/** Reads and, in the same pass, writes a Kafka message of a version without tagged fields. */
class Rewriter {
  readonly #input: Buffer;
  readonly #output: Buffer[] = [];
  #at: number;

  constructor(input: Buffer, at: number) {
    this.#input = input;
    this.#at = at;
    this.#output.push(input.subarray(0, at));
  }

  keep(bytes: number): Buffer {
    const kept = this.skip(bytes);
    this.#output.push(kept);
    return kept;
  }
  skip(bytes: number): Buffer {
    return this.#input.subarray(this.#at, (this.#at += bytes));
  }
  keepInt32(): number {
    return this.keep(4).readInt32BE();
  }
  skipInt32(): number {
    return this.skip(4).readInt32BE();
  }
  keepString(): string {
    const length = this.keep(2).readInt16BE();
    return length < 0 ? '' : this.keep(length).toString('utf8');
  }
  skipString(): void {
    const length = this.skip(2).readInt16BE();
    if (length > 0) this.skip(length);
  }
  keepInt32Array(): void {
    const count = this.keepInt32();
    if (count > 0) this.keep(4 * count);
  }
  writeInt32(value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    this.#output.push(bytes);
  }
  writeString(value: string | null): void {
    const text = Buffer.from(value ?? '');
    const length = Buffer.alloc(2);
    length.writeInt16BE(value === null ? -1 : text.length);
    this.#output.push(length, text);
  }
  end(): Buffer {
    return Buffer.concat([...this.#output, this.#input.subarray(this.#at)]);
  }
}

/**
 * A Metadata response (versions 3 to 6, after the correlation id) with other brokers in it and, when `leaderOf` is given,
 * other leaders: https://kafka.apache.org/protocol.html#The_Messages_Metadata
 */
export function rewriteMetadata(
  response: Buffer,
  version: number,
  brokers: readonly BrokerAddress[],
  leaderOf: LeaderOf | undefined,
): Buffer {
  if (version < 3 || version > 6) throw new Error(`Metadata version ${version} cannot be rewritten`);
  const message = new Rewriter(response, 4);
  message.keepInt32(); // throttle time
  for (let count = message.skipInt32(); count > 0; count--) {
    message.skipInt32();
    message.skipString();
    message.skipInt32();
    message.skipString();
  }
  message.writeInt32(brokers.length);
  for (const { id, host, port } of brokers) {
    message.writeInt32(id);
    message.writeString(host);
    message.writeInt32(port);
    message.writeString(null);
  }
  message.keepString(); // cluster id
  message.keepInt32(); // controller
  for (let topics = message.keepInt32(); topics > 0; topics--) rewriteTopic(message, version, leaderOf);
  return message.end();
}

function rewriteTopic(message: Rewriter, version: number, leaderOf: LeaderOf | undefined): void {
  message.keep(2);
  const topic = message.keepString();
  message.keep(1);
  for (let partitions = message.keepInt32(); partitions > 0; partitions--) {
    message.keep(2);
    const partition = message.keepInt32();
    const leader = message.skipInt32();
    message.writeInt32(leader < 0 || !leaderOf ? leader : leaderOf(topic, partition));
    message.keepInt32Array();
    message.keepInt32Array();
    if (version >= 5) message.keepInt32Array();
  }
}

/** A FindCoordinator response (versions 1 and 2, after the correlation id) that names another port. */
export function rewriteCoordinator(response: Buffer, version: number, port: number): Buffer {
  if (version < 1 || version > 2) throw new Error(`FindCoordinator version ${version} cannot be rewritten`);
  const message = new Rewriter(response, 4);
  message.keepInt32();
  message.keep(2);
  message.keepString();
  message.keepInt32();
  message.keepString();
  message.skipInt32();
  message.writeInt32(port);
  return message.end();
}
