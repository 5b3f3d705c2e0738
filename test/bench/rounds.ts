import { setTimeout as sleep } from 'node:timers/promises';
import type { Arm, ArmResult, Sample, Workload, WorkloadResult } from './arm.ts';

/** Between two arms, for what the one before left to be done: checkpoints, garbage, the read model's rest. Milliseconds. */
const PAUSE_MS = 300;
/** How much of a round warms an arm up. */
const WARM_UP = 0.5;

/**
 * Runs a workload's arms in turn, as often as there are rounds, after one that only warms up. What slows the machine down for
 * a while then slows all arms down, and ratios hold.
 * @throws when a gate fails
 */
export async function runRounds(
  workload: Workload,
  rounds: number,
  say: (line: string) => void,
): Promise<WorkloadResult> {
  const samples = new Map<Arm, Sample[]>(workload.arms.map((arm) => [arm, []]));
  const there = workload.arms.filter(({ missing }) => missing === undefined);
  for (const arm of workload.arms) if (arm.missing !== undefined) say(`  ${arm.name}: missing, ${arm.missing}`);
  for (let round = 0; round <= rounds; round++) {
    for (const arm of there) {
      const sample = await named(arm, () => arm.round(round === 0 ? WARM_UP : 1));
      if (round > 0) samples.get(arm)!.push(sample);
      const rate = Math.round(sample.count / sample.seconds).toLocaleString('en');
      say(`  ${round === 0 ? 'warm-up' : `round ${round}`} ${arm.name.padEnd(22)} ${rate.padStart(9)}/s`);
      await sleep(PAUSE_MS);
    }
  }
  const { name, title, unit, how } = workload;
  return { name, title, unit, how, arms: workload.arms.map((arm) => resultOf(arm, samples.get(arm)!)) };
}

async function named(arm: Arm, run: () => Promise<Sample>): Promise<Sample> {
  try {
    return await run();
  } catch (cause) {
    throw new Error(`${arm.title}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

const resultOf = ({ name, title, missing, noCpu }: Arm, samples: readonly Sample[]): ArmResult => ({
  name,
  title,
  samples,
  ...(missing === undefined ? {} : { missing }),
  ...(noCpu === undefined ? {} : { noCpu }),
});
