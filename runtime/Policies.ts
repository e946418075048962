/**
 * From a policy's name on the command line to something that serves: found, loaded, checked, compiled, and every finding rendered with its place.
 */
import { existsSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { catalog } from "../src/Catalog.ts"
import { check, type Checked } from "../src/Check.ts"
import { type Compiled, compile } from "../src/Compile.ts"
import { type Finding, render } from "../src/Finding.ts"
import type { PriceSource } from "../src/Price.ts"
import { type Loaded, load, type PolicyFileError } from "./PolicyFile.ts"
import { type Laid, type LayerRefused, layOver, nameOf } from "./Under.ts"

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
  /** With what is laid over it. */
  readonly loaded: Laid
  readonly checked: Checked
  /** A finding in one line, with the place in its file. */
  readonly lineOf: (finding: Finding) => string
  /** One line for each error and warning, errors first. */
  readonly lines: ReadonlyArray<string>
}

/** Why a policy, or what is laid over it, could not be loaded. */
export type LoadError = PolicyFileError | LayerRefused

/** Checks what a policy has been loaded as, with the organisations' files that are to be laid over it. */
export const judgeLoaded = (name: string, policy: Loaded, under: ReadonlyArray<string>): Effect.Effect<Judged, LoadError> =>
  Effect.map(layOver(policy, under), (loaded) => {
    const checked = check(loaded.json, prices)
    const lineOf = (finding: Finding): string => {
      const { column, file, line } = loaded.locate(finding.path) ?? {}
      return render(finding, [file ?? name, ...(line === undefined ? [] : [line, column]), ""].join(":"))
    }
    return { file: name, loaded, checked, lineOf, lines: checked.findings.filter(({ level }) => level !== "note").map(lineOf) }
  })

/** Loads and checks a policy file, with the organisations' files that are to be laid over it. */
export const judge = (file: string, under: ReadonlyArray<string> = []): Effect.Effect<Judged, LoadError> =>
  Effect.flatMap(load(file), (loaded) => judgeLoaded(nameOf(file), loaded, under))

/** Loads, checks and compiles; a policy with errors is a failure that says all of them. */
export const compiled = (
  file: string,
  under: ReadonlyArray<string> = []
): Effect.Effect<Judged & { readonly compiled: Compiled }, LoadError | PolicyRefused> =>
  Effect.flatMap(judge(file, under), (judged) =>
    judged.checked.policy === undefined
      ? Effect.fail(new PolicyRefused({ file: judged.file, report: judged.lines.join("\n") }))
      : Effect.succeed({ ...judged, compiled: compile(judged.checked.policy, prices) })
  )
