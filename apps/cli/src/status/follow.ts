import { setTimeout as sleep } from 'node:timers/promises';
import { CANCEL_REQUESTED, NOTIFICATION_REQUESTED, REDRIVE_REQUESTED } from '@bongsu/contracts';
import { CommandFailure, EXIT, type ExitCode } from '../command-line/exit.js';
import { printable, type Output } from '../command-line/output.js';
import { call } from '../http/client.js';
import type { Endpoint } from '../settings.js';
import { described, exitCodeOf, isOver, type Notification } from './notification.js';

const EVERY_MS = 400;
/** How long the API may be away (a restart, a deployment) before following it is given up. */
const PATIENCE_MS = 60_000;

/** One event of a notification's life; fields beside these are shown by --json. */
export interface TimelineEntry {
  readonly id: string;
  readonly at: string;
  readonly type: string;
  readonly channel?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly nextAttemptAt?: string | null;
  readonly attempt?: {
    readonly number: number;
    readonly durationMs: number;
    readonly provider?: string;
    readonly error?: { readonly code: string; readonly message: string } | null;
  } | null;
}

/** Events that are not about one delivery, as people would say them. */
const WORDS: Readonly<Record<string, string>> = {
  [NOTIFICATION_REQUESTED]: 'accepted',
  [CANCEL_REQUESTED]: 'cancellation asked for',
  [REDRIVE_REQUESTED]: 'redrive asked for',
};

/** Prints every entry of the timeline once, in order, as it appears; ends when the notification has ended. */
export async function follow(
  endpoint: Endpoint,
  id: string,
  timeoutMs: number | undefined,
  output: Output,
): Promise<ExitCode> {
  const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs;
  const timeline = new Timeline(endpoint, id);
  let lastAnswer: number | undefined;
  for (;;) {
    try {
      // Status first: when it says "ended", the timeline read after it has the ending in it.
      const { body: notification } = await call<Notification>(endpoint, {
        path: `/v1/notifications/${id}`,
        timeoutMs: 10_000,
      });
      for (const entry of await timeline.news()) output.result(entry, line(entry));
      lastAnswer = Date.now();
      if (isOver(notification.status)) {
        if (!output.json) output.note(described(notification));
        return exitCodeOf(notification);
      }
    } catch (error) {
      // The first answer must come at once (a wrong address or key is not worth a minute); later an outage is waited out.
      const away = error instanceof CommandFailure && error.exitCode === EXIT.unreachable;
      if (!away || lastAnswer === undefined || Date.now() - lastAnswer > PATIENCE_MS) throw error;
    }
    if (Date.now() >= deadline)
      throw new CommandFailure(EXIT.failed, `The notification has not ended within ${timeoutMs} ms`);
    await sleep(EVERY_MS);
  }
}

interface Page {
  readonly data: readonly TimelineEntry[];
  readonly nextCursor?: string | null;
}

/**
 * A timeline that grows while it is read. It is in the order of what happened, and an event may be learnt of late, so each
 * look reads all of it and tells what was not there before.
 */
class Timeline {
  private readonly endpoint: Endpoint;
  private readonly path: string;
  private readonly seen = new Set<string>();

  constructor(endpoint: Endpoint, id: string) {
    this.endpoint = endpoint;
    this.path = `/v1/notifications/${id}/timeline`;
  }

  async news(): Promise<TimelineEntry[]> {
    const entries: TimelineEntry[] = [];
    for (let cursor: string | undefined; ;) {
      const query = { limit: '100', cursor };
      const { body } = await call<Page>(this.endpoint, { path: this.path, query, timeoutMs: 10_000 });
      entries.push(...body.data);
      if (!body.nextCursor) break;
      cursor = body.nextCursor;
    }
    const fresh = entries.filter(({ id }) => !this.seen.has(id));
    for (const { id } of fresh) this.seen.add(id);
    return fresh;
  }
}

function line({ at, type, channel, status, attempt, reason, nextAttemptAt }: TimelineEntry): string {
  const what = [channel ?? '', status ?? WORDS[type] ?? type].filter(Boolean).join(' ');
  const details = [
    attempt
      ? `attempt ${attempt.number}${attempt.provider ? ` by ${attempt.provider}` : ''}, ${Math.round(attempt.durationMs)} ms`
      : '',
    attempt?.error ? `${attempt.error.code}: ${attempt.error.message}` : '',
    reason ?? '',
    nextAttemptAt ? `next attempt ${nextAttemptAt}` : '',
  ].filter(Boolean);
  return printable(`${at}  ${what}${details.length > 0 ? `  (${details.join('; ')})` : ''}`);
}
