import { describe, expect, it } from 'vitest';
import { encodeHeaders } from './encoding.js';
import { exportLine, parseExportLine } from './export-line.js';
import type { StoredRecord } from './verify/chain-verifier.js';

const record: StoredRecord = {
  kind: 'record',
  topic: 't',
  partition: 3,
  sequence: 7n,
  offset: 12n,
  epoch: 1,
  timestampMs: -(2n ** 63n),
  key: null,
  headers: encodeHeaders([['a', Buffer.from([0xff])]]),
  payload: Buffer.alloc(0),
  salt: Buffer.alloc(32, 5),
  payloadDigest: Buffer.alloc(32, 6),
  hash: Buffer.alloc(32, 7),
  eventId: null,
  type: 'ty"pe',
  subject: '봉수',
  tenant: 'acme',
  recipient: null,
};
const line = JSON.stringify(exportLine(record));

describe('a line of an export', () => {
  it.each<Partial<StoredRecord>>([
    {},
    { kind: 'gap', offset: -1n },
    { payload: null, salt: null, key: Buffer.from('k') },
    { timestampMs: 2n ** 63n - 1n },
  ])('gives back the record: %o', (other) => {
    const given = { ...record, ...other };
    expect(parseExportLine(JSON.stringify(exportLine(given)))).toEqual(given);
  });

  it.each([
    ['', /JSON/],
    ['[]', /no object/],
    ['null', /no object/],
    [line.replace('"kind":"record"', '"kind":"other"'), /"kind"/],
    [line.replace('"partition":3', '"partition":"3"'), /"partition"/],
    [line.replace('"sequence":7', '"sequence":0'), /"sequence"/],
    [line.replace('"offset":12', '"offset":1e400'), /"offset"/],
    [line.replace('"-9223372036854775808"', '"-9223372036854775809"'), /"timestampMs"/],
    [line.replace('"-9223372036854775808"', '"01"'), /"timestampMs"/],
    [line.replace(/"salt":"BQ/, '"salt":"*BQ'), /"salt"/],
    [line.replace('"hash":"07', '"hash":"0'), /"hash"/],
    [line.replace('0606"', '060G"'), /"payloadDigest"/],
    [line.replace('"tenant":"acme"', '"tenant":7'), /"tenant"/],
    [line.replace('"headers":', '"header":'), /"headers"/],
  ])('is refused where it is none: %s', (text, what) => {
    expect(() => parseExportLine(text)).toThrow(SyntaxError);
    expect(() => parseExportLine(text)).toThrow(what);
  });
});
