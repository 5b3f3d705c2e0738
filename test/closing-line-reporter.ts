import type { Reporter, SerializedError, TestModule, TestRunEndReason } from 'vitest/node';

/**
 * Prints `N passed, N failed, N skipped` as the very last line of a run, whatever other reporters and late output print.
 * What is wrong without being a failed test (a file that does not load, a set-up that fails, an error nobody caught, a run
 * in which no test ran at all) counts as a failure, so that no run looks green that proved nothing.
 */
export default class ClosingLineReporter implements Reporter {
  private counts = { passed: 0, failed: 0, skipped: 0 };
  private ended = false;

  onInit(): void {
    process.once('exit', (code) => {
      // The run did not get to its end.
      if (!this.ended) this.counts.failed += 1;
      const { passed, failed, skipped } = this.counts;
      // No test ran, or something that no test stands for has failed the run.
      const unexplained = failed === 0 && (passed === 0 || code !== 0);
      if (failed > 0 || unexplained) process.exitCode ||= 1;
      process.stdout.write(`${passed} passed, ${unexplained ? 1 : failed} failed, ${skipped} skipped\n`);
    });
  }

  onTestRunStart(): void {
    this.ended = false;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[], reason: TestRunEndReason): void {
    this.ended = reason !== 'interrupted';
    this.counts = { passed: 0, failed: unhandled.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) this.count(test.result().state);
      // Errors of the file itself (its imports) and of suites (beforeAll) belong to no test.
      this.counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) this.counts.failed += suite.errors().length;
    }
  }

  private count(state: 'passed' | 'failed' | 'skipped' | 'pending'): void {
    // A test that never got its turn has not passed.
    this.counts[state === 'pending' ? 'failed' : state] += 1;
  }
}
