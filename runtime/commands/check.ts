/**
 * `turnout check`: every finding, for people, as JSON or as SARIF, and an exit status for CI.
 */
import { writeFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { codes } from "../../src/Check.ts"
import { costLines, worstCasesOf } from "../../src/Costs.ts"
import { renderWitness } from "../../src/Finding.ts"
import { hash } from "../../src/Policy.ts"
import { reachLines, reachOf } from "../../src/Reach.ts"
import { sarif, uriOf } from "../../src/Sarif.ts"
import { causeOf } from "../Files.ts"
import { type Judged, judge, prices } from "../Policies.ts"
import { version } from "../version.ts"
import { answerNo, orSay, policyArgument, policyFile, say, underOption } from "./shared.ts"

/** The findings could not be put where they were wanted. */
class NotWritten extends Schema.TaggedError<NotWritten>()("NotWritten", { file: Schema.String, problem: Schema.String }) {
  override get message() {
    return `cannot write \`${this.file}\`: ${this.problem}`
  }
}

const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`
const flag = (name: string, description: string) => Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

interface Shown {
  readonly notes: boolean
  readonly accepted: boolean
  readonly reach: boolean
  readonly costs: boolean
}

/** What is there beside what counts, and how to see it; errors are enough to look at. */
const aside = (n: number, what: string, option: string, shown: boolean, sound: boolean): ReadonlyArray<string> =>
  n === 0 || !(sound || shown) ? [] : [`${what}${shown ? "" : ` (--${option} shows ${n === 1 ? "it" : "them"})`}`]

const asText = ({ checked, file, lineOf }: Judged, shown: Shown): string => {
  const { accepted, findings, policy } = checked
  const [errors, warnings, notes] = (["error", "warning", "note"] as const).map(
    (level) => findings.filter((one) => one.level === level).length
  )
  const lines = findings
    .filter(({ level }) => level !== "note" || shown.notes)
    .flatMap((finding) => [lineOf(finding), ...(finding.witness === undefined ? [] : [`    ${renderWitness(finding.witness)}`])])
  const livedWith = shown.accepted
    ? accepted.flatMap(({ because, finding }) => [`accepted ${lineOf(finding)}`, `    because  ${because}`])
    : []
  const counts = [
    ...(errors! > 0 ? [count(errors!, "error")] : []),
    ...(warnings! > 0 ? [count(warnings!, "warning")] : []),
    ...(errors! + warnings! > 0 ? [] : [notes! + accepted.length > 0 ? "no warnings" : "no findings"]),
    ...aside(notes!, count(notes!, "note"), "notes", shown.notes, policy !== undefined),
    ...aside(accepted.length, `${accepted.length} accepted`, "accepted", shown.accepted, policy !== undefined)
  ]
  const summary =
    policy === undefined
      ? counts
      : [
          count(policy.routes.length, "route"),
          count(Object.keys(policy.targets).length, "target"),
          ...counts,
          `policy ${hash(policy).slice(0, 12)}`
        ]
  const more =
    policy === undefined
      ? []
      : [
          ...(shown.reach ? ["", ...reachLines(reachOf(policy, prices))] : []),
          ...(shown.costs ? ["", ...costLines(worstCasesOf(policy, prices))] : [])
        ]
  return [...lines, ...livedWith, `${file}: ${summary.join(", ")}`, ...more].join("\n")
}

const asJson = ({ checked, file, loaded }: Judged, shown: Shown): string => {
  const { accepted, findings, policy } = checked
  const placed = (finding: Judged["checked"]["findings"][number]) => ({ ...finding, ...loaded.locate(finding.path) })
  return JSON.stringify(
    {
      file,
      hash: policy === undefined ? null : hash(policy),
      findings: findings.map(placed),
      accepted: accepted.map(({ because, finding }) => ({ ...placed(finding), because })),
      ...(policy !== undefined && shown.reach ? { reach: reachOf(policy, prices) } : {}),
      ...(policy !== undefined && shown.costs ? { costs: worstCasesOf(policy, prices) } : {})
    },
    null,
    2
  )
}

const asSarif = ({ checked: { accepted, findings }, file, loaded }: Judged): string =>
  JSON.stringify(
    sarif({
      version,
      uri: uriOf(file),
      codes,
      findings,
      accepted,
      locate: (path) => {
        const { file, ...place } = loaded.locate(path) ?? {}
        return file === undefined ? place : { ...place, uri: uriOf(file) }
      }
    }),
    null,
    2
  )

const codeLines = (): string => {
  const widthOf = (texts: ReadonlyArray<string>) => Math.max(...texts.map((text) => text.length))
  const [code, family] = [widthOf(Object.keys(codes)), widthOf(Object.values(codes).map((of) => of.family))]
  return Object.entries(codes)
    .map(([name, of]) => `${name.padEnd(code)}  ${of.level.padEnd(7)}  ${of.family.padEnd(family)}  ${of.says}`)
    .join("\n")
}

export const check = Command.make(
  "check",
  {
    policy: policyArgument,
    under: underOption,
    format: Flag.Literals("format", ["text", "json", "sarif"]).pipe(
      Flag.withDescription("how the findings are printed: for people, as JSON, or as SARIF 2.1.0 for tools that show them in the code"),
      Flag.withDefault("text")
    ),
    json: flag("json", "the same as --format json"),
    output: Flag.String("output").pipe(Flag.withDescription("the file to write to, instead of standard output"), Flag.optional),
    strict: flag("strict", "let warnings fail the check too"),
    notes: flag("notes", "print notes as well"),
    accepted: flag("accepted", "print the findings that the policy accepts, and why"),
    reach: flag("reach", "print for each class of callers every target that it can reach, and by which path"),
    costs: flag("costs", "print the worst case of each route: attempts, time and dollars"),
    codes: flag("codes", "print every code that a finding can have, and judge nothing")
  },
  ({ accepted, codes: listed, costs, format, json, notes, output, policy, reach, strict, under }) =>
    orSay(
      Effect.gen(function* () {
        const put = (text: string): Effect.Effect<void, NotWritten> =>
          Option.match(output, {
            onNone: () => say(text),
            onSome: (file) =>
              Effect.tryPromise({
                try: () => writeFile(file, `${text}\n`),
                catch: (error) => new NotWritten({ file, problem: causeOf(error) })
              })
          })
        if (listed) return yield* put(codeLines())
        const judged = yield* judge(yield* policyFile(policy), under)
        const form = json ? "json" : format
        const shown = { notes, accepted, reach, costs }
        yield* put(form === "json" ? asJson(judged, shown) : form === "sarif" ? asSarif(judged) : asText(judged, shown))
        const { findings } = judged.checked
        if (findings.some(({ level }) => level === "error" || (strict && level === "warning"))) yield* answerNo
      })
    )
).pipe(
  Command.withDescription(
    "Judge a policy: every finding with its place, a fix and, where there is one, a call that shows it. Exit status 0 when there is no error, 1 when there is, 2 when the policy cannot be read."
  ),
  Command.withShortDescription("every finding; exit status for CI"),
  Command.withExamples([
    { command: "turnout check policies/quickstart.ts", description: "judge one policy" },
    { command: "turnout check policy.json --strict --json", description: "for CI: warnings count, and the findings are data" },
    { command: "turnout check policies/teams.ts --reach --costs", description: "who can reach what, and what a call can cost at most" },
    { command: "turnout check --format sarif --output turnout.sarif", description: "for a code host that shows findings beside the lines" }
  ])
)
