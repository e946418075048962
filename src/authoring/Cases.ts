/** How cases are written in TypeScript: data with types, which `turnout test` decodes like any other. Runs when a file of cases is evaluated. */
import type { CasesSource } from "../Cases.ts"
import { plain } from "./Plain.ts"

/** Cases of the policy beside which the file lies: `name.cases.ts` beside `name.ts`. */
export const cases = (source: CasesSource): CasesSource => plain(source) as CasesSource
