export { YieldingWindow } from './yielding-window.js';
export { Pace } from './pace.js';
