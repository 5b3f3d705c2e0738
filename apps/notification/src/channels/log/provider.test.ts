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

it('shows the content to who asked for it with level debug, and not all of a long one', async () => {
  const lines: string[] = [];
  await logTo(lines, 'debug').deliver(attempt, within(1000));
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ subject: 'hush', body: 'for your eyes only' });
  await logTo(lines, 'debug').deliver({ ...attempt, content: { body: 'x'.repeat(100_000) } }, within(1000));
  expect(lines[1]?.length).toBeLessThan(1500);
});
