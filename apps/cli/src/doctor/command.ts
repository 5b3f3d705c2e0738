import { EXIT } from '../command-line/exit.js';
import { leaf } from '../command-line/leaf.js';
import { printable, table } from '../command-line/output.js';
import type { Finding } from './finding.js';
import { examineKafka } from './kafka.js';
import { examinePostgres } from './database.js';
import { examineFigures } from './figures.js';
import { examineKeys } from './keys.js';
import { examineHealth, examineInterfaces, examineMailCatcher } from './services.js';

export const doctor = leaf({
  name: 'doctor',
  description:
    'Look at every part of the system, and say what to do about what is wrong (Exit code: 0 nothing failed, 1 something)',
  args: {},
  async run({ output }) {
    const parts = await Promise.all([
      examineInterfaces(),
      examineHealth(),
      examineKafka(Date.now()),
      examinePostgres(process.env['DATABASE_URL'], Date.now),
      examineFigures(),
      examineKeys(Date.now()),
      examineMailCatcher(),
    ]);
    const findings = parts.flat();
    const well = findings.every(({ state }) => state !== 'failed');
    output.result({ ok: well, findings }, described(findings));
    return well ? EXIT.ok : EXIT.failed;
  },
});

const SIGNS: Readonly<Record<Finding['state'], string>> = { ok: 'ok', warning: 'WARN', failed: 'FAIL', skipped: '-' };

function described(findings: readonly Finding[]): string {
  return table(
    findings.flatMap(({ state, what, detail, advice }) => [
      [SIGNS[state], what, printable(detail)],
      ...(advice === undefined ? [] : [['', '', `→ ${advice}`]]),
    ]),
  );
}
