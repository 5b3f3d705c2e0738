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

describe('an error in a log line', () => {
  function logged(err: unknown): { line: string; err: Record<string, unknown> } {
    const { lines, logger } = recorder();
    logger.error({ err }, 'it failed');
    return { line: lines[0]!, err: (JSON.parse(lines[0]!) as { err: Record<string, unknown> }).err };
  }

  it('says kind, code, message, stack and cause', () => {
    const cause = Object.assign(new TypeError('of this'), { code: 'EINNER' });
    const { err } = logged(Object.assign(new RangeError('because', { cause }), { code: 'EOUTER' }));
    expect(err).toMatchObject({
      type: 'RangeError',
      code: 'EOUTER',
      message: 'because',
      stack: expect.stringContaining('logger.test') as string,
      cause: { type: 'TypeError', code: 'EINNER', message: 'of this' },
    });
  });

  it('says of several errors in one what the first few are', () => {
    const { err } = logged(new AggregateError([new Error('one'), 'two', new Error('three')], 'all failed'));
    expect(err).toMatchObject({ message: 'all failed', errors: [{ message: 'one' }, { message: 'three' }] });
  });

  it.each([
    ['parameters of a statement', Object.assign(new Error('failed'), { parameters: ['canary'], query: 'canary' })],
    [
      'a row',
      Object.assign(new Error('duplicate key'), { code: '23505', detail: 'Key (id)=(canary) already exists.' }),
    ],
    ['an answer', Object.assign(new Error('550'), { response: '550 <canary@example.org>', rejected: ['canary'] })],
    ['a value', Object.assign(new Error('invalid input syntax for type uuid: "canary"'), { code: '22P02' })],
    ['a body', failureOf(() => JSON.parse('{"body": canary}'))],
    ['a cause', new Error('failed', { cause: failureOf(() => JSON.parse('canary')) })],
    ['one of many', new AggregateError([Object.assign(new Error('x'), { address: 'canary' })])],
  ])('keeps %s to itself', (_what, error) => {
    expect(logged(error).line).not.toContain('canary');
  });

  it('ends, also when an error is its own cause', () => {
    const error = new Error('round');
    error.cause = error;
    expect(logged(error).err).toMatchObject({ cause: { cause: { cause: { cause: { message: 'round' } } } } });
  });

  it('leaves alone what is no error', () => {
    expect(logged('just a text').err).toBe('just a text');
  });
});

function failureOf(work: () => unknown): Error {
  try {
    work();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}

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
