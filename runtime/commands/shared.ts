/**
 * What the commands have in common: the policy argument, and how a command says that it has failed.
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import { find, NoPolicy } from "../Policies.ts"

export const policyArgument = Argument.String("policy").pipe(
  Argument.withDescription("the policy file: TypeScript, JavaScript, JSON or YAML; turnout.ts and its like where absent"),
  Argument.optional
)

export const underOption = Flag.String("under").pipe(
  Flag.withDescription(
    "an organisation's file, which is laid over the policy: its guards and budgets hold whatever the policy says; may be given again"
  ),
  Flag.atLeast(0)
)

/** The policy file that is meant, or a failure that says what was looked for. */
export const policyFile = (named: Option.Option<string>): Effect.Effect<string, NoPolicy> => {
  const file = find(Option.getOrUndefined(named))
  return file === undefined ? Effect.fail(new NoPolicy()) : Effect.succeed(file)
}

export const say = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stdout.write(`${text}\n`))
export const tell = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stderr.write(`${text}\n`))

/** The command has done its work, and the answer is no: exit status 1. */
export const answerNo: Effect.Effect<void> = Effect.sync(() => {
  process.exitCode = 1
})

/** Says what went wrong in its own words and leaves exit status 1; `work` must fail only with errors that are written for people. */
export const orSay = <A, E extends { readonly message: string }, R>(work: Effect.Effect<A, E, R>): Effect.Effect<void, never, R> =>
  work.pipe(
    Effect.asVoid,
    Effect.catch((error) => Effect.andThen(tell(error.message), answerNo))
  )
