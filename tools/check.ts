/**
 * `npm run check`: everything that can be said about the repository without running it. Prints a line with the time for
 * each check, then what the failed ones found, and ends with 1 when there is any.
 */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { checks, type Job, type Outcome } from './check/jobs.ts';

const root = join(import.meta.dirname, '..');
const began = performance.now();
const failed: { job: Job; outcome: Outcome }[] = [];
const waiting = checks(root);

async function work(): Promise<void> {
  for (let job = waiting.shift(); job !== undefined; job = waiting.shift()) {
    const start = performance.now();
    const outcome: Outcome = await job.run().catch((error: unknown) => ({ ok: false, output: String(error) }));
    if (!outcome.ok) failed.push({ job, outcome });
    console.log(
      `${outcome.ok ? 'ok    ' : 'FAILED'}  ${job.name.padEnd(16)} ${seconds(start)}${outcome.note === undefined ? '' : `  ${outcome.note}`}`,
    );
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1).padStart(5)} s`;
}

await Promise.all(Array.from({ length: Math.max(2, availableParallelism()) }, work));

for (const { job, outcome } of failed) {
  console.log(`\n${job.name}:\n${outcome.output}${job.remedy === undefined ? '' : `\n(mend with: ${job.remedy})`}`);
}
console.log(`${failed.length === 0 ? '\nAll is well' : `\n${failed.length} failed`}, ${seconds(began).trim()}`);
process.exitCode = failed.length === 0 ? 0 : 1;
