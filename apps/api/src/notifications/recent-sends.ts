import type { NotificationRequested } from '@bongsu/contracts';
import { LRUCache } from 'lru-cache';

/** The place of a record in Kafka. */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly offset: bigint;
}

/** What is remembered of an accepted notification: enough to show it before the read model has it. Not its content. */
export type SentRequest = Omit<NotificationRequested, 'content' | 'data'> & { readonly subject?: string };

export interface RecentSend {
  readonly request: SentRequest;
  readonly position: Position;
}

const MAX_SENDS = 20_000;
const MAX_BYTES = 16 * 1024 * 1024;
/** A read model that is further behind than this has been behind for long, and callers know. */
const KEEP_MS = 300_000;

/** The notifications that this process has accepted lately, and where their records are. Bounded in number and bytes. */
export class RecentSends {
  private readonly sends = new LRUCache<string, RecentSend>({
    max: MAX_SENDS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ request }) => roughBytes(request),
    ttl: KEEP_MS,
  });
  private readonly ends = new Map<string, Position>();

  add({ content, data: _data, ...request }: NotificationRequested, position: Position): void {
    const subject = content?.subject;
    this.sends.set(request.id, { request: { ...request, ...(subject === undefined ? {} : { subject }) }, position });
    this.noteEnd(position);
  }

  noteEnd(position: Position): void {
    const name = `${position.topic}/${position.partition}`;
    if (position.offset > (this.ends.get(name)?.offset ?? -1n)) this.ends.set(name, position);
  }

  find(id: string, tenant: string): RecentSend | undefined {
    const send = this.sends.get(id);
    return send?.request.tenant === tenant ? send : undefined;
  }

  /** The last record that this process has written to each partition. */
  lastPositions(): Position[] {
    return [...this.ends.values()];
  }
}

/** Close enough to keep the memory bounded; exact figures would cost more than they are worth on the accept path. */
function roughBytes(request: SentRequest): number {
  let bytes = 1_000 + (request.subject?.length ?? 0) * 2;
  for (const name in request.metadata) bytes += 2 * (name.length + request.metadata[name]!.length) + 100;
  return bytes;
}
