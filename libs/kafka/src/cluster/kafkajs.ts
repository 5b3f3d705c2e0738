import { createRequire } from 'node:module';
import type * as KafkaJs from 'kafkajs';
import { fastRecordEncoding, type EncodeRecord } from './record-encoding.js';

/*
 * kafkajs 2.2.4 is the last of its line and pinned; what is changed in it is changed here, before it is loaded.
 * Everything of it that is a value is imported from this file, for a second reason too: it is CommonJS, and Node finds only
 * some of its names in an `import { … }`. A built service would not start, although type checker and vitest are content.
 */
const require = createRequire(import.meta.url);
useFastRecordEncoding();
stopIdleTimers();

export const {
  AclOperationTypes,
  AclPermissionTypes,
  AclResourceTypes,
  AssignerProtocol,
  CompressionTypes,
  ConfigResourceTypes,
  Kafka,
  KafkaJSProtocolError,
  logLevel,
  ResourcePatternTypes,
} = require('kafkajs') as typeof KafkaJs;

/** Only takes effect when nobody else has loaded kafkajs before; it is faster, not different. */
function useFastRecordEncoding(): void {
  const path = require.resolve('kafkajs/src/protocol/recordBatch/record/v0/index.js');
  const original = require(path) as EncodeRecord;
  require.cache[path]!.exports = fastRecordEncoding(original);
}

interface RequestQueue {
  pending: unknown[];
  scheduleCheckPendingRequests: (this: RequestQueue) => void;
}

/**
 * kafkajs looks at its queue of waiting requests every millisecond for as long as a connection lives, also when nothing
 * waits (measured: 2.6 % of a core for an idle producer), by a timer with a negative time, about which Node 24 prints a
 * warning. Here it looks only while something waits; what is queued later schedules its own look.
 */
function stopIdleTimers(): void {
  const queue = require('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue };
  const schedule = queue.prototype.scheduleCheckPendingRequests;
  queue.prototype.scheduleCheckPendingRequests = function (): void {
    if (this.pending.length > 0) schedule.call(this);
  };
}
