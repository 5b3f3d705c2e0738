export * from './fatal.js';
export * from './logger.js';
export * from './management-server.js';
export * from './metrics.js';
