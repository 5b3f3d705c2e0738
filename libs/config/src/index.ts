export * from './shared-settings.js';
export * from './settings.js';
