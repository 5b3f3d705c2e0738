export * from './data-source.js';
export * from './erasure/erasures.js';
export * from './erasure/sweeper.js';
export * from './failure.js';
export * from './outbox/outbox.js';
export * from './outbox/relay.js';
export * from './partitions/partitions.js';
export * from './transaction.js';
