export * from './kafka-proxy.js';
export * from './otlp-receiver.js';
export * from './seeded.js';
export * from './service-process.js';
export * from './tcp-proxy.js';
export * from './wait-until.js';
