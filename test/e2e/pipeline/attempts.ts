import { notificationOf } from './load.js';
import type { ReceivedCall } from './receivers.js';
import type { System } from './system.js';

/** An attempt as the services have recorded it; times in milliseconds since 1970, the start in whole ones. */
export interface RecordedAttempt {
  readonly notificationId: string;
  /** The recipient: attempts of one never overlap. */
  readonly key: string;
  readonly startedAt: number;
  readonly durationMs: number;
  /** `done`, or the code of its failure. */
  readonly outcome: string;
}

export interface Evidence {
  /** The ids of each key in the order in which they were accepted. */
  readonly accepted: ReadonlyMap<string, readonly string[]>;
  readonly attempts: readonly RecordedAttempt[];
  /** The path of each is its key. */
  readonly calls: readonly ReceivedCall[];
  /** After how long a call is given up, milliseconds. */
  readonly timeoutMs: number;
  /** When the process that calls was killed, milliseconds since 1970. */
  readonly kills: readonly number[];
}

export interface Verdict {
  readonly problems: readonly string[];
  /** Calls that no attempt tells of: a killed process has made them and could not say so. */
  readonly unrecorded: readonly ReceivedCall[];
  /**
   * Calls that were answered within half of the time that they had, and given up all the same. Later ones do not tell anything: a
   * caller that gets no processor for a while finds the answer and the end of its patience at once, and looks at its clock first.
   */
  readonly ignored: readonly ReceivedCall[];
}

interface Span {
  readonly notificationId: string;
  readonly startedAt: number;
  readonly endedAt: number;
}

/** Every attempt of every notification that the api knows of. */
export async function recordedAttempts(system: System): Promise<RecordedAttempt[]> {
  return (await system.notifications()).flatMap(({ id: notificationId, recipient: { id: key }, deliveries }) =>
    deliveries.flatMap(({ attempts }) =>
      attempts.map(({ startedAt, durationMs, outcome, error }) => {
        return { notificationId, key, startedAt: Date.parse(startedAt), durationMs, outcome: error?.code ?? outcome };
      }),
    ),
  );
}

/**
 * Whether first attempts of a key started in the order accepted and no two of its attempts overlapped. Judged by the times that
 * the services have recorded: a receiver that gets no processor sees a call, or that its caller has hung up, when the next attempt
 * runs already. Its calls tell whether the records are true: what it answered it must have got and answered between the start of
 * the attempt that was told so and the start of the key's next; and they stand for attempts that died unrecorded.
 */
export function judge({ accepted, attempts, calls, timeoutMs, kills }: Evidence): Verdict {
  const attemptsOf = Map.groupBy(attempts, ({ key }) => key);
  const callsOf = Map.groupBy(calls, ({ path }) => path.slice(1));
  const problems: string[] = [];
  const [unrecorded, ignored]: [ReceivedCall[], ReceivedCall[]] = [[], []];
  for (const key of new Set([...accepted.keys(), ...attemptsOf.keys(), ...callsOf.keys()])) {
    const recorded = (attemptsOf.get(key) ?? []).toSorted((a, b) => before(spanOf(a), spanOf(b)));
    const { unheard, left } = matchAnswers(recorded, callsOf.get(key) ?? []);
    ignored.push(...matchFailures(recorded, left, timeoutMs / 2));
    unrecorded.push(...left);
    const spans = [...recorded.map(spanOf), ...[...left].map((call) => cutOff(call, kills))].toSorted(before);
    const found = [
      ...unheard.map((attempt) => `got an answer that nobody gave meanwhile: ${JSON.stringify(attempt)}`),
      ...overlaps(spans),
      ...outOfOrder(accepted.get(key) ?? [], spans),
    ];
    problems.push(...found.map((problem) => `${key}: ${problem}`));
  }
  return { problems, unrecorded, ignored };
}

/** Finds for each attempt with an answer the call that got it; `unheard` are those for which there is none. */
function matchAnswers(
  recorded: readonly RecordedAttempt[],
  calls: readonly ReceivedCall[],
): { unheard: RecordedAttempt[]; left: Set<ReceivedCall> } {
  const left = new Set(calls.toSorted((a, b) => a.startedAt - b.startedAt));
  const unheard: RecordedAttempt[] = [];
  for (const [n, attempt] of recorded.entries()) {
    if (!isAnswered(attempt)) continue;
    // Which of two in the same millisecond was first is not recorded.
    const nextStart =
      recorded.slice(n + 1).find(({ startedAt }) => startedAt > attempt.startedAt)?.startedAt ?? Infinity;
    const call = [...left].find((each) => isOf(attempt, each) && saysSo(attempt, each) && each.endedAt <= nextStart);
    if (call) left.delete(call);
    else unheard.push(attempt);
  }
  return { unheard, left };
}

/** Takes away the calls of attempts without an answer; gives those of them that were answered soon. */
function matchFailures(recorded: readonly RecordedAttempt[], left: Set<ReceivedCall>, soonMs: number): ReceivedCall[] {
  // The latest that began before the call is likely its own; and those that were cut before those that were given up, as only to
  // the latter can an answer have come too late.
  const attempts = recorded
    .filter((each) => isCut(each) || isGivenUp(each))
    .toReversed()
    .toSorted((a, b) => +isGivenUp(a) - +isGivenUp(b));
  const ignored: ReceivedCall[] = [];
  for (const call of left) {
    const n = attempts.findIndex((each) => isOf(each, call) && (isGivenUp(each) || call.status === undefined));
    const [attempt] = n < 0 ? [] : attempts.splice(n, 1);
    if (!attempt) continue;
    left.delete(call);
    if (call.status !== undefined && call.endedAt < attempt.startedAt + soonMs) ignored.push(call);
  }
  return ignored;
}

const isAnswered = ({ outcome }: RecordedAttempt): boolean => outcome === 'done' || outcome.startsWith('http_');
const isGivenUp = ({ outcome }: RecordedAttempt): boolean => outcome === 'timeout';
const isCut = ({ outcome }: RecordedAttempt): boolean => outcome.startsWith('connection_');

/** A call may be noted long after its attempt, never before. */
const isOf = ({ notificationId, startedAt }: RecordedAttempt, call: ReceivedCall): boolean =>
  call.startedAt >= startedAt && notificationOf(call.body) === notificationId;

const saysSo = ({ outcome }: RecordedAttempt, { status }: ReceivedCall): boolean =>
  outcome === 'done' ? status !== undefined && status >= 200 && status < 300 : outcome === `http_${status}`;

const spanOf = ({ notificationId, startedAt, durationMs }: RecordedAttempt): Span => {
  return { notificationId, startedAt, endedAt: startedAt + durationMs };
};

/** The kill ended it, whenever the receiver noticed. */
const cutOff = ({ body, startedAt, endedAt }: ReceivedCall, kills: readonly number[]): Span => {
  const killedAt = Math.min(...kills.filter((kill) => kill >= startedAt));
  return { notificationId: notificationOf(body), startedAt, endedAt: Math.min(endedAt, killedAt) };
};

/** Of two that started in the same millisecond the one that ended first was first, if any was. */
const before = (a: Span, b: Span): number => a.startedAt - b.startedAt || a.endedAt - b.endedAt;

function overlaps(spans: readonly Span[]): string[] {
  return spans.slice(1).flatMap((span, n) => {
    const earlier = spans[n]!;
    // Starts are cut to whole milliseconds, so ends are too.
    if (span.startedAt >= Math.floor(earlier.endedAt)) return [];
    return [`attempts overlap: ${JSON.stringify([earlier, span])}`];
  });
}

function outOfOrder(ids: readonly string[], spans: readonly Span[]): string[] {
  const firsts = new Map<string, number>();
  for (const { notificationId, startedAt } of spans)
    if (!firsts.has(notificationId)) firsts.set(notificationId, startedAt);
  const never = ids.filter((id) => !firsts.has(id)).map((id) => `no attempt of ${id}`);
  const unknown = [...firsts.keys()].filter((id) => !ids.includes(id)).map((id) => `${id} was never accepted`);
  const started = ids.filter((id) => firsts.has(id));
  const late = started.slice(1).flatMap((id, n) => {
    const earlier = started[n]!;
    const by = firsts.get(earlier)! - firsts.get(id)!;
    return by > 0 ? [`${id} was first attempted ${by} ms before ${earlier}, which was accepted before it`] : [];
  });
  return [...never, ...unknown, ...late];
}
