import type { RawRecord } from '@bongsu/contracts';
import type { KafkaMessage } from 'kafkajs';

const EMPTY = Buffer.alloc(0);

/** A kafkajs message as the services know it. `topic` is the declared name. */
export function rawRecord(topic: string, partition: number, message: KafkaMessage): RawRecord {
  return {
    topic,
    partition,
    offset: BigInt(message.offset),
    timestamp: BigInt(message.timestamp),
    key: message.key,
    value: message.value,
    headers: headerList(message.headers ?? {}),
  };
}

/**
 * kafkajs collects headers in a plain object, so a header named `constructor` or `__proto__` comes back together with what
 * `Object.prototype` holds under that name. Only bytes are taken; a header without a value is an empty one.
 */
function headerList(headers: Record<string, unknown>): [string, Buffer][] {
  const list: [string, Buffer][] = [];
  for (const name of Object.keys(headers)) {
    const value = headers[name];
    if (Array.isArray(value)) {
      for (const each of value as unknown[]) if (Buffer.isBuffer(each)) list.push([name, each]);
    } else if (Buffer.isBuffer(value)) list.push([name, value]);
    else if (value === null) list.push([name, EMPTY]);
  }
  return list;
}
