import { isSuccess, type Call } from './provider.ts';

/** What was found where: the sets that the oracle compares. */
export interface Evidence {
  /** A: accepted, by recipient, in the order accepted. */
  readonly accepted: ReadonlyMap<string, readonly string[]>;
  /** L: in Kafka's log. */
  readonly log: ReadonlySet<string>;
  /** D: notifications in the ledger, with how many deliveries they have and how many of them ended as delivered. */
  readonly ledger: ReadonlyMap<string, { readonly deliveries: number; readonly delivered: number }>;
  /** P: calls of the provider, in the order in which they began. */
  readonly calls: readonly Call[];
  /** U: requests in the audit, with how many records they have and how many different ones. */
  readonly audit: ReadonlyMap<string, { readonly records: number; readonly different: number }>;
}

/** How often the promises were broken; each count with an example in words. */
export interface Verdict {
  readonly accepted: number;
  readonly lost: number;
  readonly duplicated: number;
  readonly reordered: number;
  readonly problems: readonly string[];
}

/**
 * The oracle of the fault suite: A ⊆ L ⊆ D and A ⊆ U; what was accepted was delivered; no delivery and no audit record twice;
 * the provider called again after a success for at most `mayRepeat` deliveries, with the same delivery id; first attempts of
 * a recipient in the order accepted, and none while another is under way.
 */
export function judge(evidence: Evidence, mayRepeat: number): Verdict {
  const { accepted, log, ledger, audit } = evidence;
  const ids = [...accepted.values()].flat();
  const delivered = new Set(evidence.calls.filter(isSuccess).map(({ notificationId }) => notificationId));
  const problems: string[] = [];
  const note = (found: readonly string[], what: string): number => {
    if (found.length > 0) problems.push(`${found.length} ${what}, such as ${found[0]}`);
    return found.length;
  };
  const lost = new Set([
    ...missing(ids, log, 'are not in the log', note),
    ...missing([...log], ledger, 'of the log are not in the ledger', note),
    ...missing(ids, audit, 'are not in the audit', note),
    ...missing(ids, delivered, 'were not delivered', note),
    ...missing(ids, new Map([...ledger].filter(([, one]) => one.delivered > 0)), 'have not ended as delivered', note),
  ]);
  const twiceInLedger = note(
    [...ledger].filter(([, one]) => one.deliveries > 1).map(([id]) => id),
    'have more than one delivery',
  );
  const twiceInAudit = note(
    [...audit].filter(([, one]) => one.records > one.different).map(([id]) => id),
    'have a record twice in the audit',
  );
  const repeated = repeats(evidence.calls);
  if (repeated.length > mayRepeat) note(repeated, `were called again after a success, ${mayRepeat} may be`);
  note(changedIds(evidence.calls), 'were called with different delivery ids');
  return {
    accepted: ids.length,
    lost: lost.size,
    duplicated: twiceInLedger + twiceInAudit + repeated.length,
    reordered:
      note(outOfOrder(evidence), 'were first called out of order') +
      note(overlapping(evidence.calls), 'were called while another of the same recipient was'),
    problems,
  };
}

function missing(
  ids: readonly string[],
  from: { has(id: string): boolean },
  what: string,
  note: (found: string[], what: string) => number,
): string[] {
  const found = ids.filter((id) => !from.has(id));
  note(found, what);
  return found;
}

/** Notifications with a call after one that had succeeded. */
function repeats(calls: readonly Call[]): string[] {
  const successes = new Set<string>();
  return calls.flatMap((call) => {
    const again = successes.has(call.notificationId);
    if (isSuccess(call)) successes.add(call.notificationId);
    return again ? [call.notificationId] : [];
  });
}

function changedIds(calls: readonly Call[]): string[] {
  const ids = Map.groupBy(calls, ({ notificationId }) => notificationId);
  return [...ids].filter(([, of]) => new Set(of.map(({ deliveryId }) => deliveryId)).size > 1).map(([id]) => id);
}

/** What nobody was told of may come in between: only the accepted ones have an order that somebody knows. */
function outOfOrder({ accepted, calls }: Evidence): string[] {
  const ofKey = Map.groupBy(calls, ({ key }) => key);
  return [...accepted].flatMap(([key, ids]) => {
    const place = new Map(ids.map((id, n) => [id, n]));
    const first = new Set((ofKey.get(key) ?? []).map(({ notificationId }) => notificationId));
    const order = [...first].filter((id) => place.has(id));
    return order.filter((id, n) => n > 0 && place.get(id)! < place.get(order[n - 1]!)!);
  });
}

/** The receiver sees the end of a call a little later than the caller. */
const TOLERANCE_MS = 5;

function overlapping(calls: readonly Call[]): string[] {
  return [...Map.groupBy(calls, ({ key }) => key).values()].flatMap((ofKey) =>
    ofKey
      .filter((call, n) => n > 0 && call.startedAt < ofKey[n - 1]!.endedAt - TOLERANCE_MS)
      .map(({ notificationId }) => notificationId),
  );
}
