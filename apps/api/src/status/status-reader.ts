import { BongsuError, isId, NOTIFICATION_REQUESTED } from '@bongsu/contracts';
import type { Database } from '../database/database.js';
import type { RecentSend, RecentSends } from '../notifications/recent-sends.js';
import type { Freshness } from './freshness.js';
import type { TimelineEntry } from './rows.js';
import {
  listNotifications,
  READ_ATTEMPTS,
  READ_DELIVERIES,
  READ_NOTIFICATION,
  READ_TIMELINE,
  type ListFilter,
} from './sql/read-notifications.js';
import {
  notificationView,
  recentView,
  type AttemptRow,
  type DeliveryRow,
  type NotificationRow,
  type NotificationView,
} from './view.js';

/** How long a read waits for the read model to have what was accepted before it, milliseconds. */
const PATIENCE_MS = 4_000;

/** A notification that exists: in the read model, or only in Kafka and this process's memory as yet. */
export type Found = { readonly row: NotificationRow } | { readonly recent: RecentSend };

export interface TimelinePlace {
  readonly at: Date;
  readonly position: string;
  readonly eventId: string;
}

export interface TimelinePage {
  readonly entry: TimelineEntry;
  readonly place: TimelinePlace;
}

/** Before every entry: the smallest time that PostgreSQL and JavaScript both have. */
export const BEGINNING: TimelinePlace = { at: new Date('0001-01-01T00:00:00Z'), position: '-1', eventId: '' };

/**
 * Reads the read model so that who was answered 202 never gets a 404: a notification that is not there is looked for again
 * once the model has passed everything that was accepted before (docs/adr/0007-read-your-writes.md).
 */
export class StatusReader {
  private readonly database: Database;
  private readonly freshness: Freshness;
  private readonly recent: RecentSends;

  constructor(database: Database, freshness: Freshness, recent: RecentSends) {
    this.database = database;
    this.freshness = freshness;
    this.recent = recent;
  }

  /** Throws not_found, also for another tenant's; read_model_behind when that cannot be told in time; database_unavailable. */
  async find(id: string, tenant: string): Promise<Found> {
    if (!isId(id)) throw notFound();
    const row = await this.row(id, tenant);
    if (row) return { row };
    const recent = this.recent.find(id, tenant);
    const caughtUp = recent
      ? await this.freshness.passed([recent.position], PATIENCE_MS)
      : await this.freshness.passedEverything(PATIENCE_MS);
    const later = await this.row(id, tenant);
    if (later) return { row: later };
    if (recent) return { recent };
    throw caughtUp ? notFound() : new BongsuError('read_model_behind');
  }

  async notification(id: string, tenant: string): Promise<NotificationView> {
    const found = await this.find(id, tenant);
    if ('recent' in found) return recentView(found.recent.request);
    const [view] = await this.views([found.row], tenant);
    return view!;
  }

  /** Newest first. */
  async list(filter: ListFilter): Promise<{ row: NotificationRow; view: NotificationView }[]> {
    await this.freshness.passed(this.recent.lastPositions(), PATIENCE_MS);
    const { text, values } = listNotifications(filter);
    const rows = await this.database.query<NotificationRow>(text, values);
    const views = await this.views(rows, filter.tenant);
    return rows.map((row, i) => ({ row, view: views[i]! }));
  }

  /** Oldest first, after `place`. */
  async timeline(id: string, tenant: string, place: TimelinePlace, limit: number): Promise<TimelinePage[]> {
    const found = await this.find(id, tenant);
    if ('recent' in found) return place === BEGINNING ? [recentEntry(found.recent)] : [];
    const rows = await this.database.query<TimelinePlace & { entry: TimelineEntry }>(READ_TIMELINE, [
      id,
      tenant,
      place.at,
      place.position,
      place.eventId,
      limit,
    ]);
    return rows.map(({ entry, ...where }) => ({ entry, place: where }));
  }

  private async row(id: string, tenant: string): Promise<NotificationRow | undefined> {
    const [row] = await this.database.query<NotificationRow>(READ_NOTIFICATION, [id, tenant]);
    return row;
  }

  private async views(rows: readonly NotificationRow[], tenant: string): Promise<NotificationView[]> {
    if (rows.length === 0) return [];
    const ids = rows.map(({ id }) => id);
    const [deliveries, attempts] = await Promise.all([
      this.database.query<DeliveryRow>(READ_DELIVERIES, [ids, tenant]),
      this.database.query<AttemptRow>(READ_ATTEMPTS, [ids, tenant]),
    ]);
    const deliveriesOf = Map.groupBy(deliveries, ({ notificationId }) => notificationId);
    const attemptsOf = Map.groupBy(attempts, ({ notificationId }) => notificationId);
    return rows.map((row) => notificationView(row, deliveriesOf.get(row.id) ?? [], attemptsOf.get(row.id) ?? []));
  }
}

function recentEntry({ request }: RecentSend): TimelinePage {
  const { id, acceptedAt, channels, priority } = request;
  const entry = { id, at: acceptedAt, type: NOTIFICATION_REQUESTED, channels, priority };
  return { entry, place: { at: new Date(acceptedAt), position: '0', eventId: id } };
}

const notFound = (): BongsuError => new BongsuError('not_found', 'There is no such notification');
