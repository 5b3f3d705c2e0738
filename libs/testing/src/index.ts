export * from './service-process.js';
export * from './kafka-proxy.js';
export * from './wait-until.js';
export * from './tcp-proxy.js';
