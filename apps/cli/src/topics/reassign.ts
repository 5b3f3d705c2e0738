import { CannotPlace, copiesData, PartitionReassigner, type ReassignmentPlan } from '@bongsu/kafka';
import { CommandFailure, EXIT, UsageError, type ExitCode } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { table, type Output } from '../command-line/output.js';
import { confirmed, waitOf } from './asking.js';
import { kafkaTarget, unreachable, type KafkaTarget } from './kafka.js';

const DAY_MS = 86_400_000;

export const reassign = leaf({
  name: 'reassign',
  description:
    'Spread all partitions evenly over the brokers that are up, or over those that are named: after adding one, before removing one',
  args: {
    brokers: {
      type: 'string',
      valueHint: 'ids',
      description: 'Where everything shall be, such as 1,2,4: what is on others leaves them',
    },
    replicas: {
      type: 'string',
      valueHint: 'number',
      description: 'How many copies each partition shall have (default: as many as it has)',
    },
    topics: {
      type: 'string',
      valueHint: 'names',
      description: "Only these, comma-separated (default: all, those of other programs and Kafka's own too)",
    },
    'at-once': {
      type: 'string',
      valueHint: 'number',
      default: '16',
      description: 'How many partitions are copied at the same time',
    },
    wait: {
      type: 'string',
      valueHint: 'duration',
      default: '1h',
      description: 'How long to wait until everything has arrived',
    },
    'dry-run': { type: 'boolean', description: 'Only show it (Exit code: 0 nothing to move, 1 something)' },
    yes: { type: 'boolean', description: 'Do not ask' },
  },
  async run({ args, output }) {
    const options = {
      brokers: args.brokers === undefined ? undefined : list(args.brokers).map((id) => whole('--brokers', id, 0)),
      replicas: args.replicas === undefined ? undefined : whole('--replicas', args.replicas, 1),
      topics: args.topics === undefined ? undefined : list(args.topics),
    };
    const atOnce = whole('--at-once', args['at-once'], 1);
    const timeoutMs = waitOf(args.wait, 7 * DAY_MS);
    return withReassigner(async (reassigner) => {
      const plan = await reassigner.plan(options);
      const shown = described(plan);
      if (args['dry-run'] || plan.moves.length === 0) {
        output.result(plan.moves, shown);
        return plan.moves.length === 0 ? EXIT.ok : EXIT.failed;
      }
      if (!args.yes && !(await confirmed(shown, output))) {
        output.note('Nothing was changed.');
        return EXIT.failed;
      }
      await reassigner.apply(plan, { atOnce, timeoutMs, onProgress: progress(output) });
      output.result(plan.moves, `${shown}\nDone: every replica is in sync.`);
      return EXIT.ok;
    });
  },
});

async function withReassigner(work: (reassigner: PartitionReassigner) => Promise<ExitCode>): Promise<ExitCode> {
  const target: KafkaTarget = kafkaTarget();
  const reassigner = new PartitionReassigner(target);
  try {
    return await work(reassigner);
  } catch (cause) {
    if (cause instanceof CommandFailure) throw cause;
    if (cause instanceof CannotPlace) throw new CommandFailure(EXIT.failed, cause.message, { cause });
    throw unreachable(target, cause);
  } finally {
    reassigner.close();
  }
}

function described({ brokers, moves, placements }: ReassignmentPlan): string {
  if (moves.length === 0) return 'Nothing has to move.';
  const after = new Map(moves.map((move) => [`${move.topic}/${move.partition}`, move.replicas]));
  const copied = moves.filter(copiesData).length;
  const ids = [...new Set([...brokers.map(({ id }) => id), ...placements.flatMap(({ replicas }) => replicas)])];
  const rows = ids
    .toSorted((a, b) => a - b)
    .map((id) => {
      const count = (replicasOf: (each: (typeof placements)[number]) => readonly number[]): string[] => [
        String(placements.filter((each) => replicasOf(each).includes(id)).length),
        String(placements.filter((each) => replicasOf(each)[0] === id).length),
      ];
      const [held, led] = count(({ replicas }) => replicas);
      const [holds, leads] = count((each) => after.get(`${each.topic}/${each.partition}`) ?? each.replicas);
      return [String(id), `${held} → ${holds}`, `${led} → ${leads}`];
    });
  return [
    `${moves.length} partitions change, ${copied} of them are copied.`,
    table([['BROKER', 'REPLICAS', 'PREFERRED LEADER OF'], ...rows]),
  ].join('\n');
}

/** A line for each tenth, so that a log of hours stays readable. */
function progress(output: Output): (progress: { done: number; total: number }) => void {
  let shown = 0;
  return ({ done, total }) => {
    const tenths = Math.floor((done / total) * 10);
    if (tenths === shown) return;
    shown = tenths;
    output.note(`${done} of ${total} partitions are where they shall be`);
  };
}

const list = (text: string): string[] => text.split(',').flatMap((each) => each.trim() || []);

function whole(option: string, text: string, least: number): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < least)
    throw new UsageError(`${option} takes whole numbers from ${least}`);
  return Number(text);
}
