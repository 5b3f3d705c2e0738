import { AccessKeyChanged } from '../access/keys.js';
import { AccessRefused, AuditRead } from '../access/log.js';
import { RecipientErased } from '../directory/erasure.js';
import { EnableRequested, EndpointFact } from '../endpoints/endpoints.js';
import { CancelRequested, NotificationRequested } from '../notifications/request.js';
import { DeliveryFact } from '../notifications/facts.js';
import { RedriveRequested } from '../notifications/redrive.js';
import { DELIVERY_STATUSES, type DeliveryStatus, type Priority } from '../notifications/status.js';
import type { Contract } from '../schema/schema.js';

export type Service = 'api' | 'notification' | 'audit';

/** Consumer groups, one per purpose: each gets every record of its topics. */
export const GROUPS = { notification: 'bongsu.notification', status: 'bongsu.status', audit: 'bongsu.audit' } as const;
export type Group = (typeof GROUPS)[keyof typeof GROUPS];

export interface Reader {
  readonly service: Service;
  readonly group: Group;
  /** `events`: decoded and checked, unreadable records are dead-lettered. `bytes`: every record as it is; none is unreadable, though the handler may refuse one. */
  readonly as: 'events' | 'bytes';
}

export interface TopicDeclaration {
  readonly name: string;
  readonly description: string;
  /** What the record key is, in words; it decides the partition and so what is ordered. */
  readonly key: string;
  readonly partitions: number;
  readonly cleanup: 'delete' | 'compact';
  /** How long records are kept, milliseconds; -1 for ever. Has no meaning for compacted topics. */
  readonly retentionMs: number;
  /** `operator`: no service, but whoever the operator lets write; what comes is not trusted. */
  readonly writtenBy: Service | 'operator';
  /** Other services that write it too; each may do so in secure mode (docs/secure.md). */
  readonly alsoWrittenBy?: readonly Service[];
  readonly readBy: readonly Reader[];
  /** The event types that may be written to the topic, with the contract of their data. */
  readonly events: ReadonlyMap<string, Contract>;
}

const DAY = 86_400_000;
const audit: Reader = { service: 'audit', group: GROUPS.audit, as: 'bytes' };
const notification: Reader = { service: 'notification', group: GROUPS.notification, as: 'events' };
const status: Reader = { service: 'api', group: GROUPS.status, as: 'events' };

export const NOTIFICATION_REQUESTED = 'bongsu.notification.requested.v1';
export const CANCEL_REQUESTED = 'bongsu.notification.cancel-requested.v1';
export const REDRIVE_REQUESTED = 'bongsu.delivery.redrive-requested.v1';
export const ENABLE_REQUESTED = 'bongsu.endpoint.enable-requested.v1';
export const ENDPOINT_DISABLED = 'bongsu.endpoint.disabled.v1';
export const ENDPOINT_ENABLED = 'bongsu.endpoint.enabled.v1';
export const RECIPIENT_ERASED = 'bongsu.recipient.erased.v1';
export const ACCESS_REFUSED = 'bongsu.access.refused.v1';
export const AUDIT_READ = 'bongsu.audit.read.v1';
export const CHECKPOINT_SIGNED = 'bongsu.audit.checkpoint.v1';
export const ACCESS_KEY_CHANGED = 'bongsu.access-key.changed.v1';
export const deliveryEventType = (status: DeliveryStatus): string => `bongsu.delivery.${status}.v1`;

const requests = (lane: Priority): TopicDeclaration => ({
  name: `notification.requests.${lane}.v1`,
  description: `Accepted notifications of priority ${lane}`,
  key: 'tenant/recipient, or tenant/orderingKey',
  partitions: 8,
  cleanup: 'delete',
  retentionMs: 7 * DAY,
  writtenBy: 'api',
  readBy: [notification, audit, status],
  events: new Map([[NOTIFICATION_REQUESTED, NotificationRequested]]),
});

const compacted = (name: string, description: string, events: TopicDeclaration['events']): TopicDeclaration => ({
  name,
  description,
  key: 'entity id',
  partitions: 8,
  cleanup: 'compact',
  retentionMs: -1,
  writtenBy: 'api',
  readBy: [audit],
  events,
});

/** Every topic, declared once. Names, partitions, retention, readers and the documents are read off this. */
export const TOPICS = {
  requests: { urgent: requests('urgent'), normal: requests('normal'), bulk: requests('bulk') },
  imports: {
    name: 'notification.imports.v1',
    description:
      'Requests to send as lines of JSON, from Kafka Connect or any other producer; read once each by the api',
    key: 'none needed',
    // Lines of a file have no key, and are to stay in order.
    partitions: 1,
    cleanup: 'delete',
    retentionMs: 7 * DAY,
    writtenBy: 'operator',
    // Not events yet: the api makes them requests, which are recorded. What cannot be made one is dead-lettered all the same.
    readBy: [{ service: 'api', group: GROUPS.status, as: 'bytes' }],
    events: new Map(),
  },
  commands: {
    name: 'notification.commands.v1',
    description: 'What is asked of notifications that were accepted before',
    key: "as the request; an endpoint's own",
    partitions: 8,
    cleanup: 'delete',
    retentionMs: 7 * DAY,
    writtenBy: 'api',
    readBy: [notification, audit, status],
    events: new Map<string, Contract>([
      [CANCEL_REQUESTED, CancelRequested],
      [REDRIVE_REQUESTED, RedriveRequested],
      [ENABLE_REQUESTED, EnableRequested],
    ]),
  },
  events: {
    name: 'notification.events.v1',
    description: 'What became of deliveries, and of the endpoints that they go to: facts',
    key: "as the request; an endpoint's own",
    partitions: 8,
    cleanup: 'delete',
    retentionMs: 7 * DAY,
    writtenBy: 'notification',
    readBy: [status, audit],
    events: new Map<string, Contract>([
      ...DELIVERY_STATUSES.map((status) => [deliveryEventType(status), DeliveryFact] as const),
      [ENDPOINT_DISABLED, EndpointFact],
      [ENDPOINT_ENABLED, EndpointFact],
    ]),
  },
  recipients: {
    ...compacted(
      'directory.recipients.v1',
      'Recipients and their addresses, and that they are to be erased',
      new Map([[RECIPIENT_ERASED, RecipientErased]]),
    ),
    key: 'tenant/recipient',
    readBy: [notification, status, audit],
  },
  templates: compacted('directory.templates.v1', 'Templates', new Map()),
  preferences: compacted('directory.preferences.v1', "Recipients' preferences", new Map()),
  accessKeys: compacted('access.keys.v1', 'API keys, as hashes', new Map([[ACCESS_KEY_CHANGED, AccessKeyChanged]])),
  accessLog: {
    name: 'access.log.v1',
    description: 'Keys that were refused, and readings of the audit trail; the audit service writes it too',
    key: 'tenant',
    partitions: 8,
    cleanup: 'delete',
    retentionMs: 7 * DAY,
    writtenBy: 'api',
    alsoWrittenBy: ['audit'],
    readBy: [audit],
    events: new Map<string, Contract>([
      [ACCESS_REFUSED, AccessRefused],
      [AUDIT_READ, AuditRead],
    ]),
  },
  checkpoints: {
    name: 'audit.checkpoints.v1',
    description: "Signed heads of the audit's chains",
    key: 'chain',
    partitions: 1,
    cleanup: 'delete',
    retentionMs: -1,
    writtenBy: 'audit',
    // Not events: each record is a signed note, as text.
    readBy: [audit],
    events: new Map(),
  },
} as const satisfies Record<string, TopicDeclaration | Record<Priority, TopicDeclaration>>;

/** All declared topics, in a stable order, without the dead-letter topics. */
export const ALL_TOPICS: readonly TopicDeclaration[] = [
  TOPICS.requests.urgent,
  TOPICS.requests.normal,
  TOPICS.requests.bulk,
  TOPICS.imports,
  TOPICS.commands,
  TOPICS.events,
  TOPICS.recipients,
  TOPICS.templates,
  TOPICS.preferences,
  TOPICS.accessKeys,
  TOPICS.accessLog,
  TOPICS.checkpoints,
];

/** The topics that the audit service records. */
export const AUDITED_TOPICS: readonly TopicDeclaration[] = ALL_TOPICS.filter((topic) =>
  topic.readBy.some((reader) => reader.group === GROUPS.audit),
);

export const DEAD_LETTER_RETENTION_MS = 30 * DAY;
/** Not a group that reads: its offsets in the dead-letter topics say which of their records were replayed. */
export const REPLAY_GROUP = 'bongsu.replay';
export const deadLetterTopic = (topic: string, group: string): string => `${topic}.${group}.dlt`;

/** The key of a notification's records: what is ordered among itself. */
export const notificationKey = (tenant: string, recipientId: string, orderingKey?: string): string =>
  `${tenant}/${orderingKey ?? recipientId}`;
