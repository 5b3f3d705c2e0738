/**
 * The migrations that the services of this version make, oldest first. A test holds them against the services' own: a
 * service is not imported by another program (docs/adr/0002-monorepo-toolchain.md).
 */
export const MIGRATIONS = {
  api: [
    'ReadModel1795219300000',
    'DeadLetters1795305700000',
    'Erasures1795306100000',
    'OpenNotifications1795309200000',
  ],
  notification: [
    'Ledger1795219200000',
    'Redrive1795305500000',
    'Flows1795305600000',
    'Erasures1795306100000',
    'Traces1795310400000',
  ],
  audit: ['Chain1795219300000', 'InsertOnly1795219400000', 'Erasures1795306000000', 'Checkpoints1795309000000'],
} satisfies Record<string, readonly string[]>;
