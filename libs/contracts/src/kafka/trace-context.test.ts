import { describe, expect, it } from 'vitest';
import { isSampled, loadTraceContext, readTraceContext, storeTraceContext } from './trace-context.js';

const TRACEPARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

describe('readTraceContext', () => {
  it('takes what the specification shows', () => {
    expect(readTraceContext(TRACEPARENT, 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE')).toEqual({
      traceparent: TRACEPARENT,
      tracestate: 'rojo=00f067aa0ba902b7,congo=t61rcWkgMzE',
    });
    expect(readTraceContext(TRACEPARENT)).toEqual({ traceparent: TRACEPARENT });
  });

  it('takes of a later version what it knows', () => {
    expect(readTraceContext(`01${TRACEPARENT.slice(2)}-and-more`)).toEqual({ traceparent: TRACEPARENT });
  });

  it.each([
    undefined,
    '',
    ['00', 'x'],
    `${TRACEPARENT}-more`,
    TRACEPARENT.toUpperCase(),
    TRACEPARENT.slice(1),
    `ff${TRACEPARENT.slice(2)}`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`,
    `01${TRACEPARENT.slice(2)}more`,
    `01${TRACEPARENT.slice(2)}-${'x'.repeat(300)}`,
    'x'.repeat(55),
  ])('refuses %j', (given) => {
    expect(readTraceContext(given)).toBeUndefined();
  });

  it.each(['', 'none', 'a=b\r\nx: y', `a=${'x'.repeat(511)}`, 'a=é'])('leaves out the tracestate %j', (given) => {
    expect(readTraceContext(TRACEPARENT, given)).toEqual({ traceparent: TRACEPARENT });
  });
});

it('tells whether the trace is sampled, whatever the other flags say', () => {
  const flagged = (flags: string) => isSampled({ traceparent: TRACEPARENT.slice(0, 53) + flags });
  expect(['00', '01', '02', '03', 'fe', 'ff'].map(flagged)).toEqual([false, true, false, true, false, true]);
});

it('comes back from a column as it was', () => {
  for (const context of [{ traceparent: TRACEPARENT }, { traceparent: TRACEPARENT, tracestate: 'a=1, b=2' }])
    expect(loadTraceContext(storeTraceContext(context))).toEqual(context);
  for (const nothing of [null, undefined, '', 'x', 'x'.repeat(60)]) expect(loadTraceContext(nothing)).toBeUndefined();
});
