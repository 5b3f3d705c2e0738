import { encodeHeaders } from './encoding.js';

/** The `type` of a gap record, by which it is found like any other. */
export const GAP_TYPE = 'bongsu.audit.gap.v1';

/** A gap record's headers: what it is, and nothing else. */
export const GAP_HEADERS: Buffer = encodeHeaders([['ce_type', Buffer.from(GAP_TYPE)]]);

/** Something that happened to Kafka's records between two of ours. */
export interface Break {
  /** `gap`: offsets are missing. `reset`: offsets began again, because the topic was deleted and made anew. */
  readonly kind: 'gap' | 'reset';
  /** The offset that would have come next, and the one that came. */
  readonly expected: bigint;
  readonly got: bigint;
}

/**
 * The payload of the record that stands in the chain for a break, so that the next checkpoint signs it: what Kafka lost
 * before we could read it can then neither be passed over in silence nor be claimed afterwards. One text for one break, so
 * that whoever verifies makes it again from the chain and compares bytes.
 */
export const gapPayload = ({ kind, expected, got }: Break): Buffer =>
  Buffer.from(`{"kind":"${kind}","expectedOffset":"${expected}","offset":"${got}"}`);

/** The break that a gap record's payload tells of; undefined when it is none that `gapPayload` writes. */
export function breakIn(payload: Buffer): Break | undefined {
  const found = /^\{"kind":"(gap|reset)","expectedOffset":"(\d{1,19})","offset":"(\d{1,19})"\}$/.exec(
    payload.toString('latin1'),
  );
  const [, kind, expected, got] = found ?? [];
  if (kind === undefined || expected === undefined || got === undefined) return undefined;
  return { kind: kind as Break['kind'], expected: BigInt(expected), got: BigInt(got) };
}
