import { describe, expect, it } from 'vitest';
import { ReplayedOffsets } from './replayed-offsets.js';

const again = (replayed: ReplayedOffsets): ReplayedOffsets => {
  const { offset, metadata } = replayed.committed();
  return ReplayedOffsets.parse(offset, metadata);
};

describe('ReplayedOffsets', () => {
  it('remembers single ones beyond those in a row, over a commit', () => {
    const replayed = new ReplayedOffsets(10n);
    for (const offset of [20n, 15n, 16n, 17n, 3n]) replayed.add(offset);
    expect(replayed.committed()).toEqual({ offset: '10', metadata: 'replayed:15-17,20' });
    const read = again(replayed);
    const had = Array.from({ length: 22 }, (_, i) => i).filter((offset) => read.has(BigInt(offset)));
    expect([read.missing(0n, 22n), read.missing(16n, 22n), read.missing(0n, 8n)]).toEqual([8n, 3n, 0n]);
    expect(had).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 20]);
  });

  it('closes the row when what was missing comes', () => {
    const replayed = new ReplayedOffsets(10n, [11n, 12n, 14n]);
    replayed.add(10n);
    expect(replayed.committed()).toEqual({ offset: '13', metadata: 'replayed:14' });
    replayed.addUpTo(13n);
    expect(replayed.committed()).toEqual({ offset: '15', metadata: 'replayed:' });
    replayed.addUpTo(12n);
    expect(replayed.next).toBe(15n);
  });

  it('reads nothing into what is not its own', () => {
    for (const metadata of [null, '', 'replayed:x', 'replayed:1-', '{"a":1}'])
      expect(ReplayedOffsets.parse('5', metadata).committed()).toEqual({ offset: '5', metadata: 'replayed:' });
    expect(ReplayedOffsets.parse('-1', null).next).toBe(0n);
  });

  it('says when there is no room for one more', () => {
    const scattered = Array.from({ length: 1_500 }, (_, i) => BigInt(100 + i * 2));
    expect(() => new ReplayedOffsets(0n, scattered).committed()).toThrow(RangeError);
  });
});
