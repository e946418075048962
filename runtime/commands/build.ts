/**
 * `turnout build`: the canonical JSON of a policy, and its hash.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { canonical } from "../../src/Policy.ts"
import { compiled } from "../Policies.ts"
import { orSay, policyArgument, policyFile, say, tell, underOption } from "./shared.ts"

export const build = Command.make(
  "build",
  {
    policy: policyArgument,
    under: underOption,
    hash: Flag.Boolean("hash").pipe(Flag.withDescription("print the hash alone"), Flag.withDefault(false))
  },
  ({ hash: hashOnly, policy, under }) =>
    orSay(
      Effect.gen(function* () {
        const { compiled: built, lines } = yield* compiled(yield* policyFile(policy), under)
        for (const line of lines) yield* tell(line)
        if (hashOnly) {
          yield* say(built.hash)
          return
        }
        yield* say(canonical(built.policy))
        yield* tell(`sha256 ${built.hash}`)
      })
    )
).pipe(
  Command.withDescription(
    "Print the canonical JSON of a policy on standard output, and its SHA-256 on standard error. The same policy gives the same bytes, however it is written."
  ),
  Command.withShortDescription("canonical JSON and hash"),
  Command.withExamples([
    { command: "turnout build policies/quickstart.ts > policy.json", description: "the artefact that every tool takes" },
    { command: "turnout build team.ts --under acme.ts > policy.json", description: "with what the organisation lays over it" }
  ])
)
