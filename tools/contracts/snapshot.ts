/** A JSON Schema, as plain data. */
export type JsonSchema = Readonly<Record<string, unknown>>;

export interface Reader {
  readonly service: string;
  readonly group: string;
  readonly as: string;
}

/** What libs/contracts declares about a topic; a release keeps this much of it. */
export interface TopicSnapshot {
  readonly name: string;
  readonly key: string;
  readonly partitions: number;
  readonly cleanup: string;
  readonly retentionMs: number;
  readonly writtenBy: string;
  readonly alsoWrittenBy?: readonly string[];
  readonly readBy: readonly Reader[];
  /** The schema of each event type's data. */
  readonly events: Readonly<Record<string, JsonSchema>>;
}

/** A record as a release's own encoder wrote it, to the byte. */
export interface GoldenRecord {
  /** What it shows; the same in every release. */
  readonly name: string;
  readonly topic: string;
  /** Where the release's producer put it. */
  readonly partition: number;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The value's text, UTF-8. */
  readonly value: string;
}

/** The contracts of one version: what a consumer of it reads and a producer of it writes. */
export interface Snapshot {
  readonly version: string;
  /** RFC 3339: the moment that the golden records speak of. */
  readonly at: string;
  readonly topics: readonly TopicSnapshot[];
  readonly records: readonly GoldenRecord[];
}

interface DeclaredTopic extends Omit<TopicSnapshot, 'events'> {
  readonly description: string;
  readonly events: ReadonlyMap<string, { readonly schema: object }>;
}

/** The part of libs/contracts that is used here, where tools/ are run as they are and import no library. */
export interface Contracts {
  readonly ALL_TOPICS: readonly DeclaredTopic[];
  readonly DELIVERY_STATUSES: readonly string[];
  encodeEvent(
    topic: unknown,
    key: string,
    event: WireEvent,
  ): Omit<GoldenRecord, 'name' | 'partition' | 'value'> & {
    readonly value: Buffer;
  };
  decodeEvent(topic: unknown, raw: unknown): unknown;
  contract(schema: unknown): { readonly schema: object };
  partitionFor(key: string, partitions: number): number;
  notificationKey(tenant: string, recipientId: string, orderingKey?: string): string;
  endpointKey(tenant: string, channel: string, url: string): string;
  endpointHash(url: string): string;
  deliveryId(notificationId: string, channel: string): string;
  firstIdAt(ms: number): string;
}

/** An event to be encoded. */
export interface WireEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string;
  readonly time: string;
  readonly data: unknown;
  readonly trace?: unknown;
}

/** The topics as today's contracts declare them, as plain data. */
export function topicsOf(contracts: Contracts): TopicSnapshot[] {
  return contracts.ALL_TOPICS.map((topic) => {
    const schemas = [...topic.events].map(([type, { schema }]) => [type, schema] as const);
    const declared = { ...topic, description: undefined, events: Object.fromEntries(schemas) };
    // Leaves nothing but data: no undefined, no symbols of the library that made the schemas.
    return JSON.parse(JSON.stringify(declared)) as TopicSnapshot;
  });
}

/** A released topic as a declaration that today's decoder takes: what a consumer of that release knows of the topic. */
export function declarationOf(contracts: Pick<Contracts, 'contract'>, topic: TopicSnapshot): DeclaredTopic {
  const events = Object.entries(topic.events).map(([type, schema]) => [type, contracts.contract(schema)] as const);
  return { ...topic, description: `${topic.name}, as released`, events: new Map(events) };
}
