/**
 * From a policy's name on the command line to something that serves: found, loaded, checked, compiled, and every finding rendered with its place.
 */
import { existsSync } from "node:fs"
import { relative, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { catalog } from "../src/Catalog.ts"
import { check, type Checked } from "../src/Check.ts"
import { type Compiled, compile } from "../src/Compile.ts"
import { render } from "../src/Finding.ts"
import type { PriceSource } from "../src/Price.ts"
import { type Loaded, load, type PolicyFileError } from "./PolicyFile.ts"

/** The list prices that policies are checked and compiled with. */
export const prices: PriceSource = catalog

/** The files that are looked for where no policy is named, in this order. */
export const usualNames = ["turnout.ts", "turnout.mts", "turnout.js", "turnout.mjs", "turnout.json", "turnout.yaml", "turnout.yml"] as const

/** Nothing to work on. */
export class NoPolicy extends Schema.TaggedError<NoPolicy>()("NoPolicy", {}) {
  override get message() {
    return `no policy is named, and there is none of ${usualNames.join(", ")} here; name one, such as \`turnout check policies/quickstart.ts\``
  }
}

/** The policy that does not check, with its findings rendered. */
export class PolicyRefused extends Schema.TaggedError<PolicyRefused>()("PolicyRefused", { file: Schema.String, report: Schema.String }) {
  override get message() {
    return `${this.report}\n${this.file} does not check`
  }
}

/** The file that `named` means, or the usual one here. */
export const find = (named: string | undefined): string | undefined => named ?? usualNames.find((name) => existsSync(resolve(name)))

export interface Judged {
  readonly file: string
  readonly loaded: Loaded
  readonly checked: Checked
  /** One line for each finding, errors first. */
  readonly lines: ReadonlyArray<string>
}

/** Loads and checks a policy file. */
export const judge = (file: string): Effect.Effect<Judged, PolicyFileError> =>
  Effect.map(load(file), (loaded) => {
    const checked = check(loaded.json, prices)
    const shown = relative(process.cwd(), resolve(file))
    const name = shown.startsWith("..") ? resolve(file) : shown
    const lines = checked.findings.map((finding) => {
      const at = loaded.locate(finding.path)
      return render(finding, at === undefined ? `${name}:` : `${name}:${at.line}:${at.column}:`)
    })
    return { file: name, loaded, checked, lines }
  })

/** Loads, checks and compiles; a policy with errors is a failure that says all of them. */
export const compiled = (file: string): Effect.Effect<Judged & { readonly compiled: Compiled }, PolicyFileError | PolicyRefused> =>
  Effect.flatMap(judge(file), (judged) =>
    judged.checked.policy === undefined
      ? Effect.fail(new PolicyRefused({ file: judged.file, report: judged.lines.join("\n") }))
      : Effect.succeed({ ...judged, compiled: compile(judged.checked.policy, prices) })
  )
