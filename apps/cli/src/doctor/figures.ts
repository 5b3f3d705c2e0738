import { managementPorts } from '../settings.js';
import { failed, ok, skipped, warning, type Finding } from './finding.js';
import { largest, samplesIn, type Sample } from './metrics.js';
import { duration } from './time.js';

const PATIENCE_MS = 5_000;
/** Deliveries that are due and wait (the alert DueBacklog). */
const MUCH_DUE = 1000;
/** Seconds that a record may wait for its signature: six times the default of AUDIT_CHECKPOINT_EVERY, and the alert's hour. */
const UNSIGNED_WARNING = 60;
const UNSIGNED_FAILURE = 3600;

/** What the services count: deliveries that wait, circuits that are open, how well the audit trail is signed and verified. */
export async function examineFigures(): Promise<Finding[]> {
  const ports = managementPorts();
  const [notification, audit] = await Promise.all([
    page(ports.NOTIFICATION_MANAGEMENT_PORT),
    page(ports.AUDIT_MANAGEMENT_PORT),
  ]);
  return [
    ...(notification ? deliveries(notification) : [skipped('deliveries', 'notification shows no metrics')]),
    ...(audit ? trail(audit) : [skipped('audit trail', 'audit shows no metrics')]),
  ];
}

async function page(port: number): Promise<Sample[] | undefined> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(PATIENCE_MS) });
    return answer.ok ? samplesIn(await answer.text()) : undefined;
  } catch {
    return undefined; // that it does not answer is what its health says
  }
}

function deliveries(samples: readonly Sample[]): Finding[] {
  const due = largest(samples, 'notification_due_backlog') ?? 0;
  const open = samples
    .filter(({ name, value }) => name === 'circuit_state' && value === 2)
    .map(({ labels }) => `${labels['provider']} (${labels['channel']})`);
  return [
    due > MUCH_DUE
      ? warning('deliveries', `${due} are due and wait`, 'More of notification, or docs/runbook.md#duebacklog')
      : ok('deliveries', due === 0 ? 'none that is due waits' : `${due} are due`),
    ...(open.length > 0
      ? [warning('providers', `do not work: ${open.join(', ')}`, 'docs/runbook.md#circuitopen')]
      : []),
  ];
}

function trail(samples: readonly Sample[]): Finding[] {
  const what = 'audit trail';
  const problems = largest(samples, 'audit_verify_failures_total') ?? 0;
  const age = largest(samples, 'audit_checkpoint_age_seconds') ?? 0;
  const detail = age === 0 ? 'every record is signed' : `a record has waited ${duration(age)} to be signed`;
  const advice = 'See the log of audit, and docs/runbook.md#auditcheckpointold';
  return [
    ...(problems > 0
      ? [
          failed(
            what,
            `${problems} verification(s) found a problem`,
            'bongsu audit verify names it (docs/runbook.md#auditverificationfailed)',
          ),
        ]
      : []),
    age > UNSIGNED_FAILURE
      ? failed(what, detail, advice)
      : age > UNSIGNED_WARNING
        ? warning(what, detail, advice)
        : ok(what, detail),
  ];
}
