/** Ends a run with two plain lines, after the runner's own: the seed of its examples, and how many tests passed, failed and were skipped. */
import type { Reporter, TestModule } from "vitest/node"

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
    const count = { passed: 0, failed: 0, skipped: 0 }
    for (const module of modules) {
      let tests = 0
      for (const test of module.children.allTests()) {
        tests++
        const { state } = test.result()
        if (state === "passed" || state === "failed" || state === "skipped") count[state]++
      }
      // A file that could not be read at all has no tests, and has failed.
      if (tests === 0 && module.state() === "failed") count.failed++
    }
    // After the default reporter's summary.
    const { failed, passed, skipped } = count
    setImmediate(() => console.log(`\nTEST_SEED=${process.env["TEST_SEED"]}\n${passed} passed, ${failed} failed, ${skipped} skipped`))
  }
}
