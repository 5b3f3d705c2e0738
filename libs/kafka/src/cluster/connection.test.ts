import { KAFKA_SETTINGS, readSettings } from '@bongsu/config';
import { createLogger } from '@bongsu/observability';
import { expect, it, onTestFinished } from 'vitest';
import { ASK_BRIEFLY, KafkaConnection } from './connection.js';

it('leaves no failure of a call unhandled that was begun when the connection was cut already', async () => {
  const unhandled: unknown[] = [];
  const listener = (reason: unknown) => void unhandled.push(reason);
  const others = process.listeners('unhandledRejection');
  process.removeAllListeners('unhandledRejection').on('unhandledRejection', listener);
  onTestFinished(() => {
    process.removeAllListeners('unhandledRejection');
    for (const each of others) process.on('unhandledRejection', each);
  });
  const settings = readSettings(KAFKA_SETTINGS, { KAFKA_BROKERS: '127.0.0.1:1' });
  const logger = createLogger('test', 'silent');
  const connection = new KafkaConnection({ settings, clientId: 'test', logger, retry: ASK_BRIEFLY });
  connection.cut();
  await expect(connection.run(Promise.reject(new Error('not connected')))).rejects.toThrow('discarded');
  await new Promise(setImmediate);
  expect(unhandled).toEqual([]);
});
