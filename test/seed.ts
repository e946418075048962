/**
 * What the random examples of a run are drawn from: `TEST_SEED`, to repeat a run, or else a new one each time (`vitest.config.ts`). A run ends by naming it.
 *
 * `.ci/run` takes it from the content of the tree: other examples with each change, and one verdict on each.
 */
import * as fc from "fast-check"

export const seed = Number(process.env["TEST_SEED"])

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed })
