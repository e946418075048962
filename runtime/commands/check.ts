/**
 * `turnout check`: every finding, and an exit status for CI.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { hash } from "../../src/Policy.ts"
import { judge } from "../Policies.ts"
import { answerNo, orSay, policyArgument, policyFile, say } from "./shared.ts"

const count = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`

export const check = Command.make(
  "check",
  {
    policy: policyArgument,
    json: Flag.Boolean("json").pipe(Flag.withDescription("print the findings as JSON"), Flag.withDefault(false)),
    strict: Flag.Boolean("strict").pipe(Flag.withDescription("let warnings fail the check too"), Flag.withDefault(false))
  },
  ({ json, policy, strict }) =>
    orSay(
      Effect.gen(function* () {
        const { checked, file, lines, loaded } = yield* judge(yield* policyFile(policy))
        const errors = checked.findings.filter(({ level }) => level === "error").length
        const warnings = checked.findings.length - errors
        if (json) {
          const findings = checked.findings.map((finding) => ({ ...finding, ...loaded.locate(finding.path) }))
          yield* say(JSON.stringify({ file, hash: checked.policy === undefined ? null : hash(checked.policy), findings }, null, 2))
        } else {
          for (const line of lines) yield* say(line)
          const { policy: sound } = checked
          yield* say(
            sound === undefined
              ? `${file}: ${count(errors, "error")}${warnings === 0 ? "" : `, ${count(warnings, "warning")}`}`
              : `${file}: ${count(sound.routes.length, "route")}, ${count(Object.keys(sound.targets).length, "target")}, ${
                  warnings === 0 ? "no findings" : count(warnings, "warning")
                }, policy ${hash(sound).slice(0, 12)}`
          )
        }
        if (errors > 0 || (strict && warnings > 0)) yield* answerNo
      })
    )
).pipe(
  Command.withDescription("Judge a policy: every finding with its place and a fix. Exit status 0 when there is no error, 1 when there is."),
  Command.withShortDescription("every finding; exit status for CI"),
  Command.withExamples([
    { command: "turnout check policies/quickstart.ts", description: "judge one policy" },
    { command: "turnout check policy.json --strict --json", description: "for CI: warnings count, and the findings are data" }
  ])
)
