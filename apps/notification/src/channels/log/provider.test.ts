import { createLogger } from '@bongsu/observability';
import { expect, it } from 'vitest';
import { testAttempt, within } from '../testing/attempt.js';
import { describeProvider } from '../testing/conformance.js';
import { LogProvider } from './provider.js';

function logTo(lines: string[], level = 'info'): LogProvider {
  return new LogProvider(createLogger('notification', level, { write: (line) => lines.push(line) }));
}
const attempt = testAttempt({ channel: 'log', content: { subject: 'hush', body: 'for your eyes only' } });

describeProvider(
  'log',
  () =>
    Promise.resolve({
      provider: logTo([]),
      attempt: (changes) => testAttempt({ channel: 'log', ...changes }),
      secrets: ['for your eyes only'],
    }),
  'nobody',
);

it('writes one line that says which notification, and nothing of its content', async () => {
  const lines: string[] = [];
  await logTo(lines).deliver(attempt, within(1000));
  expect(lines).toHaveLength(1);
  const { deliveryId, notificationId } = attempt;
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ level: 'info', deliveryId, notificationId, bodyLength: 18 });
  expect(lines[0]).not.toMatch(/hush|eyes/);
});

it('shows no content at any level', async () => {
  const lines: string[] = [];
  await logTo(lines, 'trace').deliver(attempt, within(1000));
  expect(lines).toHaveLength(1);
  expect(lines[0]).not.toMatch(/hush|eyes/);
});

it('names the trace that the notification belongs to', async () => {
  const lines: string[] = [];
  const trace = { traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01', tracestate: 'a=secret' };
  await logTo(lines).deliver({ ...attempt, trace }, within(1000));
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({
    trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    span_id: '00f067aa0ba902b7',
  });
  expect(lines[0]).not.toContain('a=secret');
});
