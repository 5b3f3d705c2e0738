/**
 * Kafka's default partitioner (org.apache.kafka.common.utils.Utils.murmur2 and BuiltInPartitioner), so that a record
 * of any other client with the same key lands in the same partition. Proved against the Java class in test/integration.
 */
export function murmur2(data: Uint8Array): number {
  const length = data.length;
  const m = 0x5bd1e995;
  let h = 0x9747b28c ^ length;
  const blocks = length >> 2;
  for (let i = 0; i < blocks; i++) {
    const at = i << 2;
    let k = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16) | (data[at + 3]! << 24);
    k = Math.imul(k, m);
    k ^= k >>> 24;
    k = Math.imul(k, m);
    h = Math.imul(h, m) ^ k;
  }
  const tail = blocks << 2;
  const rest = length & 3;
  if (rest === 3) h ^= data[tail + 2]! << 16;
  if (rest >= 2) h ^= data[tail + 1]! << 8;
  if (rest >= 1) h = Math.imul(h ^ data[tail]!, m);
  h = Math.imul(h ^ (h >>> 13), m);
  return h ^ (h >>> 15);
}

/** Keys that an operator has pinned to a partition (`KAFKA_PINNED_KEYS`), by key. */
export type PinnedKeys = ReadonlyMap<string, number>;

/**
 * The partition of a key in a topic of `partitions` partitions. A pinned key goes where it is pinned, as long as that
 * partition exists; else it falls back to the hash, because a record must never be unsendable for a setting.
 * Throws a RangeError for an empty key or no partitions.
 */
export function partitionFor(key: string, partitions: number, pinned?: PinnedKeys): number {
  if (key === '') throw new RangeError('Need message key');
  if (!Number.isInteger(partitions) || partitions < 1)
    throw new RangeError(`partitions must be at least 1, got ${partitions}`);
  const pin = pinned?.get(key);
  if (pin !== undefined && pin < partitions) return pin;
  return (murmur2(Buffer.from(key)) & 0x7fffffff) % partitions;
}
