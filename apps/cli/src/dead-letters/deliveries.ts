import { EXIT, UsageError, type ExitCode } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { printable, table, type Output } from '../command-line/output.js';
import { call } from '../http/client.js';
import { apiEndpoint } from '../settings.js';
import { confirmed } from '../topics/asking.js';
import { countOf, filterOf, FILTERS, type Filter } from './filters.js';

interface DeadLetter {
  readonly deliveryId: string;
  readonly notificationId: string;
  readonly recipient: string;
  readonly channel: string;
  readonly provider: string | null;
  readonly attempts: number;
  readonly error: { readonly code: string; readonly message: string };
  readonly deadAt: string;
}

const PAGE = 100;
const MAX_LISTED = 1_000_000;
/** The API answers when Kafka has every command. Milliseconds. */
const PATIENCE_MS = 900_000;

export const list = leaf({
  name: 'list',
  description: 'Show deliveries that ran out of attempts, newest first',
  args: {
    ...FILTERS,
    limit: { type: 'string', valueHint: 'number', default: '50', description: 'No more than so many' },
  },
  async run({ args, output }) {
    const limit = countOf('limit', args.limit, MAX_LISTED);
    const { letters, more } = await read(filterOf(args), limit);
    output.result(letters, table([['DEAD SINCE', 'NOTIFICATION', 'CHANNEL', 'RECIPIENT', 'WHY'], ...letters.map(row)]));
    if (more && !output.json) output.note('There are more: --limit shows them');
    return EXIT.ok;
  },
});

async function read(filter: Filter, limit: number): Promise<{ letters: DeadLetter[]; more: boolean }> {
  const letters: DeadLetter[] = [];
  let cursor: string | undefined;
  do {
    const { body } = await call<{ data: DeadLetter[]; nextCursor: string | null }>(apiEndpoint(), {
      path: '/v1/dead-letters',
      query: { ...filter, limit: String(Math.min(PAGE, limit - letters.length)), cursor },
    });
    letters.push(...body.data);
    cursor = body.nextCursor ?? undefined;
  } while (cursor !== undefined && letters.length < limit);
  return { letters, more: cursor !== undefined };
}

const row = ({ deadAt, notificationId, channel, recipient, attempts, error }: DeadLetter): string[] =>
  [deadAt, notificationId, channel, recipient, `${error.code} after ${attempts}: ${error.message}`].map(printable);

export const redrive = leaf({
  name: 'redrive',
  description:
    'Try dead deliveries again; twice is once (Exit code: 0 they are on their way, 1 refused or not confirmed)',
  args: {
    ...FILTERS,
    rate: { type: 'string', valueHint: 'number', default: '100', description: 'How many become due per second' },
    limit: { type: 'string', valueHint: 'number', description: 'No more than so many, the longest dead first' },
    'dry-run': { type: 'boolean', description: 'Only say how many' },
    yes: { type: 'boolean', description: 'Do not ask' },
  },
  async run({ args, output }) {
    const order = {
      filter: filterOf(args),
      ratePerSecond: rateOf(args.rate),
      ...(args.limit === undefined ? {} : { limit: countOf('limit', args.limit, Number.MAX_SAFE_INTEGER) }),
    };
    if (args['dry-run']) {
      const { matched } = await ask(order, true);
      output.result({ matched }, `${deliveries(matched)} would be redriven`);
      return EXIT.ok;
    }
    if (!args.yes && !(await isMeant(order, output))) {
      output.note('Nothing was redriven.');
      return EXIT.failed;
    }
    return await redriven(order, output);
  },
});

interface Order {
  readonly filter: Filter;
  readonly ratePerSecond: number;
  readonly limit?: number;
}

async function isMeant(order: Order, output: Output): Promise<boolean> {
  const { matched } = await ask(order, true);
  return confirmed(`${deliveries(matched)} will be redriven, ${order.ratePerSecond} per second`, output);
}

async function redriven(order: Order, output: Output): Promise<ExitCode> {
  const answer = await ask(order, false);
  output.result(
    answer,
    `${deliveries(answer.matched)} on their way, the last one due ${lastDue(answer.matched, order)}`,
  );
  return EXIT.ok;
}

async function ask(order: Order, dryRun: boolean): Promise<{ redriveId?: string; matched: number }> {
  const { body } = await call<{ redriveId?: string; matched: number }>(apiEndpoint(), {
    method: 'POST',
    path: '/v1/dead-letters/redrive',
    body: JSON.stringify({ ...order, dryRun }),
    timeoutMs: PATIENCE_MS,
  });
  return body;
}

const deliveries = (count: number): string => `${count} ${count === 1 ? 'delivery' : 'deliveries'}`;

function lastDue(matched: number, { ratePerSecond }: Order): string {
  const seconds = Math.floor(Math.max(0, matched - 1) / ratePerSecond);
  return seconds === 0 ? 'now' : `in ${seconds} s`;
}

function rateOf(text: string): number {
  const rate = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (!(rate > 0)) throw new UsageError('--rate must be a number above 0');
  return rate;
}
