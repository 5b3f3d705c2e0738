/** No line of an export is longer, bytes: a record of Kafka has a few megabytes at most. What has no end must not fill memory. */
const MAX_LINE = 128 * 1024 * 1024;
const LINE_FEED = 0x0a;

/**
 * The lines of NDJSON. Only a line feed ends one: node:readline would also split at U+2028, which stands unescaped in JSON,
 * and so in any name that somebody gave.
 * @throws RangeError for a line that is too long to be one
 */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest: Buffer[] = [];
  let size = 0;
  for await (const chunk of chunks) {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, from)) {
      const last = bytes.subarray(from, end);
      yield (rest.length > 0 ? Buffer.concat([...rest, last]) : last).toString('utf8');
      rest = [];
      size = 0;
      from = end + 1;
    }
    if (from === bytes.length) continue;
    rest.push(bytes.subarray(from));
    size += bytes.length - from;
    if (size > MAX_LINE) throw new RangeError(`A line is longer than ${MAX_LINE} bytes`);
  }
  if (rest.length > 0) yield Buffer.concat(rest).toString('utf8');
}
