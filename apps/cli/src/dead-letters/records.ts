import { PRODUCER_SETTINGS, readSettings } from '@bongsu/config';
import { KafkaProducer, type DeadLetterTopic, type DeadLetterTopics, type Letter } from '@bongsu/kafka';
import { EXIT, UsageError } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { printable, table } from '../command-line/output.js';
import type { KafkaTarget } from '../topics/kafka.js';
import { countOf } from './filters.js';
import { topicsOf, withDeadLetters } from './kafka.js';

const MAX_SHOWN = 1_000;
/** Of a value, characters that people are shown; --json has all of it. */
const MAX_VALUE = 2_000;
/** A send waits this long for Kafka before the command gives up, milliseconds. */
const SEND_WITHIN_MS = 30_000;

const TOPIC = {
  type: 'positional',
  required: true,
  description: 'The topic that they are of, such as notification.commands.v1, or a dead-letter topic',
} as const;

export const topics = leaf({
  name: 'topics',
  description: 'Show how many records no service could handle, by topic and group',
  args: {},
  async run({ output }) {
    const counts = await withDeadLetters((letters) => letters.list());
    const rows = counts.map(({ topic, group, records, waiting }) => [topic, group, String(records), String(waiting)]);
    output.result(counts, table([['TOPIC', 'GROUP', 'RECORDS', 'NOT REPLAYED'], ...rows]));
    return EXIT.ok;
  },
});

export const show = leaf({
  name: 'show',
  description: 'Show records that could not be handled, newest first: where they came from, why, and what is in them',
  args: {
    topic: TOPIC,
    group: { type: 'string', valueHint: 'group', description: 'The group that could not handle them (default: any)' },
    limit: { type: 'string', valueHint: 'number', default: '20', description: 'No more than so many' },
  },
  async run({ args, output }) {
    const limit = countOf('limit', args.limit, MAX_SHOWN);
    const found = await withDeadLetters(async (letters) => {
      const shown: { from: DeadLetterTopic; letter: Letter }[] = [];
      for (const from of topicsOf(args.topic, args.group)) {
        const some = await letters.newest(from, limit);
        shown.push(...some.map((letter) => ({ from, letter })));
      }
      return shown.toSorted((a, b) => since(b.letter).localeCompare(since(a.letter))).slice(0, limit);
    });
    output.result(
      found.map(({ from, letter }) => exact(from, letter)),
      found.map(({ from, letter }) => described(from, letter)).join('\n\n') || 'There are none.',
    );
    return EXIT.ok;
  },
});

export const replay = leaf({
  name: 'replay',
  description: 'Send records back to the topic that they came from, as they were; twice is once',
  args: {
    topic: TOPIC,
    group: { type: 'string', valueHint: 'group', description: 'The group that could not handle them' },
    offset: { type: 'string', valueHint: 'partition/offset', description: 'This one alone, as "show" names it' },
    all: { type: 'boolean', description: 'All of them' },
    again: { type: 'boolean', description: 'Those too that were replayed before' },
    'dry-run': { type: 'boolean', description: 'Only say how many' },
  },
  async run({ args, output }) {
    const only = args.offset === undefined ? undefined : placeOf(args.offset);
    if ((only === undefined) !== (args.all === true)) throw new UsageError('Either --all or --offset is needed');
    const [from, another] = topicsOf(args.topic, args.group);
    if (!from || another) throw new UsageError('--group is needed: more than one group reads that topic');
    const options = { only, again: args.again === true, dryRun: args['dry-run'] === true };
    const done = await withDeadLetters((letters, target) => replayed(letters, target, from, options));
    const verb = options.dryRun ? 'would be replayed' : 'replayed';
    const before = done.before === 0 ? '' : `, ${done.before} were before`;
    output.result(done, `${done.replayed} ${verb}${before}`);
    return EXIT.ok;
  },
});

async function replayed(
  letters: DeadLetterTopics,
  { settings, logger }: KafkaTarget,
  from: DeadLetterTopic,
  options: { only: ReturnType<typeof placeOf> | undefined; again: boolean; dryRun: boolean },
): Promise<{ replayed: number; before: number }> {
  const producer = new KafkaProducer({
    settings: { ...settings, ...readSettings(PRODUCER_SETTINGS, process.env) },
    clientId: 'bongsu-replay',
    logger,
    deliveryTimeoutMs: SEND_WITHIN_MS,
  });
  try {
    if (!options.dryRun) await producer.connect();
    return await letters.replay(from, { ...options, send: (records) => producer.sendRaw(records) });
  } finally {
    await producer.close();
  }
}

const since = ({ deadAt }: Letter): string => deadAt ?? '';

function placeOf(text: string): { partition: number; offset: bigint } {
  const [, partition, offset] = /^(\d{1,6})\/(\d{1,18})$/.exec(text) ?? [];
  if (partition === undefined || offset === undefined)
    throw new UsageError('--offset must be <partition>/<offset>, as "show" names it');
  return { partition: Number(partition), offset: BigInt(offset) };
}

/** A letter with its bytes, for programs. */
const exact = (from: DeadLetterTopic, letter: Letter) => ({
  deadLetterTopic: from.name,
  topic: from.topic,
  group: from.group,
  partition: letter.partition,
  offset: String(letter.offset),
  origin: letter.origin,
  code: letter.code ?? null,
  detail: letter.detail ?? null,
  deadAt: letter.deadAt ?? null,
  replays: letter.replays,
  key: letter.key?.toString('base64') ?? null,
  value: letter.value?.toString('base64') ?? null,
  headers: letter.headers.map(([name, value]) => ({ name, value: value.toString('base64') })),
});

function described(from: DeadLetterTopic, letter: Letter): string {
  const { origin } = letter;
  const lines = [
    `${letter.partition}/${letter.offset} of ${from.name}`,
    `  why      ${letter.code ?? 'unknown'}: ${letter.detail ?? ''}`,
    `  from     ${origin.topic ?? 'unknown'}/${origin.partition ?? '?'} at offset ${origin.offset ?? '?'}, written ${origin.at ?? '?'}`,
    `  since    ${letter.deadAt ?? 'unknown'}${letter.replays === 0 ? '' : `, replayed ${letter.replays} times before`}`,
    `  key      ${shown(letter.key)}`,
    ...letter.headers.map(([name, value]) => `  header   ${name}: ${shown(value)}`),
    `  value    ${shown(letter.value)}`,
  ];
  return lines.map(printable).join('\n');
}

function shown(bytes: Buffer | null): string {
  if (bytes === null) return '(none)';
  const text = bytes.toString('utf8');
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}… (${bytes.length} bytes)` : text;
}
