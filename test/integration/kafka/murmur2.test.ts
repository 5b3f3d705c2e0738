import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { murmur2, partitionFor } from '@bongsu/contracts';
import { describe, expect, inject, it } from 'vitest';

const KEYS = 5_000;
const ALPHABET = Array.from('abcXYZ019/-_. äßéñ한국어봉수日本語кириллица🔥👩‍👩‍👧‍👦');

/** A small linear congruential generator: the same keys in every run. */
function random(): () => number {
  let state = 42;
  return () => (state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32) / 2 ** 32;
}

function keys(): string[] {
  const chance = random();
  const pick = () => ALPHABET[Math.floor(chance() * ALPHABET.length)]!;
  return Array.from({ length: KEYS }, (_, n) => pick() + Array.from({ length: n % 40 }, pick).join(''));
}

function askJava(lines: string): Promise<string> {
  const source = join(import.meta.dirname, 'Murmur2.java');
  return new Promise((resolve, reject) => {
    const java = execFile(
      process.env['JAVA_HOME'] ? join(process.env['JAVA_HOME'], 'bin', 'java') : 'java',
      ['-cp', join(inject('bongsu').kafkaJars, '*'), source],
      { maxBuffer: 16 << 20 },
      (error, stdout) => (error ? reject(error) : resolve(stdout)),
    );
    java.stdin!.end(lines);
  });
}

describe('the partition of a key', () => {
  it(`equals the Java client's, for ${KEYS} keys of every script`, async () => {
    const all = keys();
    const java = await askJava(all.map((key) => Buffer.from(key).toString('base64')).join('\n'));
    const ours = all.map((key) =>
      [murmur2(Buffer.from(key)), ...[1, 7, 8, 1_000].map((partitions) => partitionFor(key, partitions))].join(' '),
    );
    expect(java.trim().split('\n')).toEqual(ours);
  });
});
