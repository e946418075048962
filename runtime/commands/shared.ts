/**
 * What the commands have in common: the policy argument, and how a command says that it has failed.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
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

/** Why nothing can listen on `port`; 0 is any free one. */
export const portFault = (port: number): string | undefined =>
  port >= 0 && port <= 65_535 ? undefined : `--port must be from 0 to 65535, but is ${port}`

/** The policy file that is meant, or a failure that says what was looked for. */
export const policyFile = (named: Option.Option<string>): Effect.Effect<string, NoPolicy> => {
  const file = find(Option.getOrUndefined(named))
  return file === undefined ? Effect.fail(new NoPolicy()) : Effect.succeed(file)
}

/**
 * Standard output cannot be written any more. That somebody has read enough (`| head`) is no failure; that the disk is full is one.
 */
export const cannotSay = ({ code, message }: NodeJS.ErrnoException): void => {
  if (code === "EPIPE") process.exit(process.exitCode ?? 0)
  process.stderr.write(`standard output cannot be written: ${message}\n`)
  process.exit(1)
}

export const say = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stdout.write(`${text}\n`))
export const tell = (text: string): Effect.Effect<void> => Effect.sync(() => void process.stderr.write(`${text}\n`))

/** The command has done its work, and the answer is no: exit status 1. */
export const answerNo: Effect.Effect<void> = Effect.sync(() => {
  process.exitCode = 1
})

/** A command was called in a way that means nothing. */
export class WrongUsage extends Schema.TaggedError<WrongUsage>()("WrongUsage", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

/** What is wrong with what a command was given, before it could begin: all of these leave exit status 2. */
const ofTheInput: ReadonlySet<string> = new Set([
  "WrongUsage",
  "NoPolicy",
  "PolicyFileError",
  "LayerRefused",
  "RequestUnreadable",
  "NotInPolicy",
  "BadInput",
  "NoCases"
])

/** Says what went wrong in its own words, and leaves exit status 2 where the input was at fault, else 1; `work` must fail only with errors that are written for people. */
export const orSay = <A, E extends { readonly _tag: string; readonly message: string }, R>(
  work: Effect.Effect<A, E, R>
): Effect.Effect<void, never, R> =>
  work.pipe(
    Effect.asVoid,
    Effect.catch(({ _tag, message }) =>
      Effect.andThen(
        tell(message),
        Effect.sync(() => {
          process.exitCode = ofTheInput.has(_tag) ? 2 : 1
        })
      )
    )
  )

/** The exit status of a command that has ended so. A stop on request is no failure where the command says so (`serve`). */
export const statusOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return Number(process.exitCode ?? 0)
  if (Cause.hasInterruptsOnly(exit.cause)) return Number(process.exitCode ?? 130)
  return CliError.isCliError(Cause.squash(exit.cause)) ? 2 : 1
}
