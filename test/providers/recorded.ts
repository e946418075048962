/**
 * Recorded traffic of real clients and providers, which lies beside the repository and is not part of it.
 */
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const folder = join(import.meta.dirname, "../../../shared/fixtures/recorded")

/** One exchange. */
export interface Recorded {
  readonly id: string
  readonly provider: string
  readonly stream: boolean
  readonly request: { readonly body: unknown } | null
  readonly response: { readonly status: number; readonly headers: Readonly<Record<string, string>>; readonly body: unknown }
  readonly features: ReadonlyArray<string>
}

/** Whether the recordings are there; says so aloud where they are not. */
export const present = (...names: ReadonlyArray<string>): boolean => {
  const missing = names.filter((name) => !existsSync(join(folder, `${name}.jsonl`)))
  if (missing.length > 0)
    console.warn(`SKIPPED: no recordings of ${missing.join(", ")} in ../shared/fixtures/recorded, so the tests that need them do not run`)
  return missing.length === 0
}

/** The exchanges of one file. */
export const recorded = (name: string): ReadonlyArray<Recorded> =>
  readFileSync(join(folder, `${name}.jsonl`), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Recorded)
