import { incompatibilities, problems } from '../contracts/compatibility.ts';
import { goldenProblems } from '../contracts/golden.ts';
import { readAccepted, readRelease, releasedVersions } from '../contracts/released.ts';
import { topicsOf } from '../contracts/snapshot.ts';
import { contractsOfToday } from '../contracts/today.ts';
import type { Job } from './jobs.ts';

/** Today's contracts against each released one, as reader and as writer (docs/adr/0017-contract-compatibility.md). */
export function contractCompatibility(root: string): Job {
  return {
    name: 'contracts',
    run: async () => {
      const versions = releasedVersions();
      if (versions.length === 0) return { ok: false, output: 'libs/contracts/released holds no release' };
      const contracts = await contractsOfToday(root);
      const releases = await Promise.all(versions.map((version) => readRelease(version)));
      const today = topicsOf(contracts);
      const found = [
        ...problems(
          releases.flatMap((released) => incompatibilities(released, today)),
          await readAccepted(),
        ),
        ...releases.flatMap((released) => goldenProblems(contracts, released)),
      ];
      return { ok: found.length === 0, output: found.join('\n'), note: `with ${versions.join(', ')}` };
    },
  };
}
