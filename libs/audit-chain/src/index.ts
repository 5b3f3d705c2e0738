export * from './encoding.js';
export * from './labels.js';
export * from './record.js';
export * from './verify/chain-verifier.js';
export * from './verify/store.js';
