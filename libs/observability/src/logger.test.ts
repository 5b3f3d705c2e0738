import { describe, expect, it } from 'vitest';
import { createLogger, NestLogger } from './logger.js';

function recorder(): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  return { lines, logger: createLogger('api', 'trace', { write: (line: string) => void lines.push(line) }) };
}

describe('createLogger', () => {
  it.each([
    [{ authorization: 'Bearer hunter2hunter2' }],
    [{ headers: { authorization: 'Bearer hunter2hunter2' } }],
    [{ settings: { password: 'hunter2hunter2' } }],
    [{ key: 'hunter2hunter2' }],
    [{ err: new Error('connect to postgres://bongsu:hunter2hunter2@db:5432/bongsu failed') }],
    [{ note: 'sent Authorization: Bearer hunter2hunter2' }],
    [{ deep: { deeper: { text: `the key bongsu_${'hunter2hunter2'.padEnd(43, 'x')} was refused` } } }],
    [{ note: 'signed with whsec_hunter2hunter2' }],
  ])('keeps the secret of %j out of the log', (fields) => {
    const { lines, logger } = recorder();
    logger.error(fields, 'something happened');
    expect(lines).toHaveLength(1);
    expect(lines[0]).not.toContain('hunter2');
    expect(JSON.parse(lines[0]!)).toMatchObject({ level: 'error', service: 'api', msg: 'something happened' });
  });

  it('leaves text without secrets as it is', () => {
    const { lines, logger } = recorder();
    logger.info({ url: 'https://example.org/a:b@c' }, 'mail to someone@example.org');
    expect(lines[0]).toContain('https://example.org/a:b@c');
    expect(lines[0]).toContain('someone@example.org');
  });
});

describe('NestLogger', () => {
  it('carries the context, the stack and the error', () => {
    const { lines, logger } = recorder();
    const nest = new NestLogger(logger);
    nest.error('it broke', 'Error: it broke\n  at here', 'Router');
    nest.error(new Error('as an object'), 'Router');
    const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({
      level: 'error',
      context: 'Router',
      stack: 'Error: it broke\n  at here',
      msg: 'it broke',
    });
    expect(second).toMatchObject({ context: 'Router', msg: 'as an object', err: { message: 'as an object' } });
  });
});
