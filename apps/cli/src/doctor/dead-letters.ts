import { withDeadLetters } from '../dead-letters/kafka.js';
import { ok, warning, type Finding } from './finding.js';

/** Records that no service could handle, and nobody has replayed. */
export async function examineDeadLetters(): Promise<Finding> {
  const what = 'dead letters';
  const waiting = (await withDeadLetters((letters) => letters.list())).filter((each) => each.waiting > 0);
  if (waiting.length === 0) return ok(what, 'none waits');
  const counts = waiting.map((each) => `${each.waiting} in ${each.name}`).join(', ');
  const [first] = waiting;
  return warning(
    what,
    counts,
    `bongsu dead-letters show ${first?.topic ?? '<topic>'}; mend what wrote or reads it, then replay (docs/runbook.md#deadletterrecords)`,
  );
}
