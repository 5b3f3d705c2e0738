export * from './log-fields.js';
export * from './start.js';
export * from './tracing.js';
