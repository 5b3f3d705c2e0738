import { defineConfig } from 'vitest/config';

/**
 * Three tiers. `unit` needs nothing; `integration` and `e2e` need Kafka, ZooKeeper and PostgreSQL, which the global
 * set-up boots once for the whole run (and leaves out when only unit tests were asked for).
 */
export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    // Most tests wait for processes and clocks; one worker would leave two cores idle half of the time.
    maxWorkers: 2,
    globalSetup: ['test/global-setup.ts'],
    reporters: ['default', './test/closing-line-reporter.ts'],
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: [
            'apps/*/src/**/*.test.ts',
            'libs/*/src/**/*.test.ts',
            'tools/**/*.test.ts',
            'test/faults/**/*.test.ts',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: { name: 'e2e', include: ['test/e2e/**/*.test.ts'], testTimeout: 90_000, hookTimeout: 90_000 },
      },
    ],
  },
});
