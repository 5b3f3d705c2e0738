export * from './encoding.js';
export * from './export-line.js';
export * from './gap.js';
export * from './labels.js';
export * from './record.js';
export * from './salt.js';
export * from './verify/chain-verifier.js';
export * from './verify/store.js';
