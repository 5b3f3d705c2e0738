/** How this service presents itself to others. The same as in package.json, which a built image need not have at hand. */
export const VERSION = '0.1.0';
