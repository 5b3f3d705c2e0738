/**
 * `node tools/freeze-contracts.ts <version>`: writes down what the contracts are as that version is released, in
 * libs/contracts/released/<version>, for every later version to be compared with.
 */
import { join } from 'node:path';
import { incompatibilities, problems } from './contracts/compatibility.ts';
import { goldenProblems, snapshotOf } from './contracts/golden.ts';
import { readAccepted, readRelease, releasedVersions, writeRelease } from './contracts/released.ts';
import { contractsOfToday } from './contracts/today.ts';

const root = join(import.meta.dirname, '..');
const version = process.argv[2];
process.exitCode = await freeze().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 1;
});

async function freeze(): Promise<number> {
  if (version === undefined || !/^\d+\.\d+\.\d+$/.test(version)) {
    console.error('Which version? node tools/freeze-contracts.ts 0.2.0');
    return 2;
  }
  const contracts = await contractsOfToday(root);
  const snapshot = snapshotOf(contracts, version, new Date());
  const releases = await Promise.all(releasedVersions().map((each) => readRelease(each)));
  // The new one as well: whatever cannot read its own records is not to be released.
  const found = [
    ...problems(
      releases.flatMap((released) => incompatibilities(released, snapshot.topics)),
      await readAccepted(),
    ),
    ...[...releases, snapshot].flatMap((released) => goldenProblems(contracts, released)),
  ];
  if (found.length > 0) {
    console.error(`Not frozen:\n${found.join('\n')}`);
    return 1;
  }
  for (const file of await writeRelease(snapshot)) console.log(file);
  console.log(`Commit them with the release of ${version}; they never change again.`);
  return 0;
}
