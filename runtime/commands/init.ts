/**
 * `turnout init`: a policy, its cases and a sample of traffic to start from.
 *
 * What flags do not say is asked on a terminal; without one, or with `--yes`, it takes what needs no account. Nothing is written over, and nothing at all is written where
 * a file is in the way.
 */
import { existsSync, writeFileSync } from "node:fs"
import { basename, dirname, join, relative, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Prompt from "effect/cli/Prompt"
import { Name } from "../../src/Policy.ts"
import { startingKinds } from "../../src/Providers.ts"
import { didYouMean } from "../../src/Suggest.ts"
import { causeOf, makeFolder } from "../Files.ts"
import { type Answers, filesOf, mock, variablesOf } from "../init/Files.ts"
import { version } from "../version.ts"
import { orSay, say, WrongUsage } from "./shared.ts"

/** Something stands in the way. */
class CannotBegin extends Schema.TaggedError<CannotBegin>()("CannotBegin", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

const choices = [mock, ...startingKinds]

const isName = Schema.is(Name)
const leastBudget = 1

/** The name of the folder, as far as it can be a policy's. */
const usualName = (folder: string): string => {
  const name = basename(folder)
    .replace(/[^A-Za-z0-9_-]+/g, "-")
    .replace(/^[^A-Za-z]+|-+$/g, "")
    .slice(0, 64)
  return isName(name) ? name : "gateway"
}

const providersFrom = (text: string): Effect.Effect<Answers["providers"], WrongUsage> => {
  const names = [
    ...new Set(
      text
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== "")
    )
  ]
  const unknown = names.find((name) => !choices.includes(name as typeof mock))
  if (unknown !== undefined) {
    const hint = didYouMean(unknown, choices) ?? `known are ${choices.join(", ")}`
    return Effect.fail(new WrongUsage({ why: `--providers: unknown provider \`${unknown}\`; ${hint}` }))
  }
  if (names.length === 0) return Effect.fail(new WrongUsage({ why: `--providers: expected at least one of ${choices.join(", ")}` }))
  return Effect.succeed(names as ReadonlyArray<Answers["providers"][number]>)
}

interface Given {
  readonly name: string | undefined
  readonly providers: string | undefined
  readonly budget: number | undefined
}

/** What flags say, and for the rest what is asked, or usual. */
export const answersTo = (given: Given, folder: string, ask: boolean) =>
  Effect.gen(function* () {
    const usual = usualName(folder)
    const name =
      given.name ??
      (ask
        ? yield* Prompt.String({
            message: "What is the policy called?",
            default: usual,
            validate: (text) => (isName(text) ? Effect.succeed(text) : Effect.fail("a letter, then at most 63 letters, digits, - or _"))
          })
        : usual)
    if (!isName(name))
      return yield* new WrongUsage({
        why: `--name: expected a letter, then at most 63 letters, digits, \`-\` or \`_\`, but found \`${name}\``
      })
    const chosen =
      given.providers ??
      (ask
        ? (yield* Prompt.MultiSelect({
            message: "Which providers do you call? (space selects; the mock needs no account)",
            choices: choices.map((kind) => ({ title: kind, value: kind, selected: kind === mock })),
            min: 1
          })).join(",")
        : mock)
    const providers = yield* providersFrom(chosen)
    const wantsBudget =
      given.budget === undefined && ask ? yield* Prompt.Confirm({ message: "Limit what it may spend in a month?", initial: false }) : false
    const budget = wantsBudget ? yield* Prompt.Int({ message: "To how many dollars?", min: leastBudget }) : given.budget
    if (budget !== undefined && !(budget >= leastBudget && budget <= 1_000_000 && Math.abs(budget * 100 - Math.round(budget * 100)) < 1e-6))
      return yield* new WrongUsage({ why: `--budget: expected dollars and whole cents, from 1 to 1000000, but found \`${budget}\`` })
    return { name, providers, budget } satisfies Answers
  })

/** Whether a `package.json` is here or above. */
const hasPackage = (folder: string): boolean =>
  existsSync(join(folder, "package.json")) || (dirname(folder) !== folder && hasPackage(dirname(folder)))

/** So that editors find the words, and `npx turnout` finds the command. */
const packageOf = (name: string): string =>
  `${JSON.stringify(
    {
      name: name.toLowerCase(),
      private: true,
      type: "module",
      scripts: { check: "turnout check --strict", test: "turnout test", start: "turnout serve" },
      devDependencies: { turnout: `^${version}` }
    },
    null,
    2
  )}\n`

const optional = <A>(flag: Flag.Flag<A>): Flag.Flag<A | undefined> => Flag.map(Flag.optional(flag), Option.getOrUndefined)

export const init = Command.make(
  "init",
  {
    dir: Argument.String("dir").pipe(
      Argument.withDescription("the folder to begin in; made where it is not there"),
      Argument.withDefault(".")
    ),
    name: optional(Flag.String("name").pipe(Flag.withDescription("the policy's name; the folder's where absent"))),
    providers: optional(
      Flag.String("providers").pipe(Flag.withDescription(`one or more of ${choices.join(", ")}, with commas between; ${mock} where absent`))
    ),
    budget: optional(Flag.Finite("budget").pipe(Flag.withDescription("dollars that may be spent in a month; no budget where absent"))),
    yes: Flag.Boolean("yes").pipe(Flag.withAlias("y"), Flag.withDescription("ask nothing"), Flag.withDefault(false)),
    force: Flag.Boolean("force").pipe(Flag.withDescription("write over files that are there"), Flag.withDefault(false))
  },
  ({ dir, force, yes, ...given }) =>
    orSay(
      Effect.gen(function* () {
        const folder = resolve(dir)
        const path = (name: string): string => join(folder, name)
        const names = ["turnout.ts", "turnout.cases.ts", "turnout.traffic.jsonl"] as const
        const there = names.filter((name) => existsSync(path(name)))
        if (there.length > 0 && !force) {
          const them = there.map((name) => `\`${join(dir, name)}\``).join(", ")
          return yield* new CannotBegin({
            why: `${them} ${there.length === 1 ? "is" : "are"} there already, and nothing was written; \`--force\` writes over`
          })
        }
        const answers = yield* answersTo(given, folder, !yes && process.stdin.isTTY === true && process.stdout.isTTY === true)
        const { cases, policy, traffic } = filesOf(answers)
        const written = [
          [names[0], policy],
          [names[1], cases],
          [names[2], traffic],
          ...(hasPackage(folder) ? [] : [["package.json", packageOf(answers.name)] as const])
        ] as const
        yield* Effect.try({
          try: () => {
            makeFolder(folder)
            for (const [name, text] of written) writeFileSync(path(name), text)
          },
          catch: (error) => {
            const why = (error as NodeJS.ErrnoException).code === "ENOENT" ? "it cannot be made there" : causeOf(error)
            return new CannotBegin({ why: `cannot write to the folder \`${dir}\`: ${why}` })
          }
        })
        const here = relative(process.cwd(), folder)
        const shown = (name: string): string => (here.startsWith("..") ? path(name) : join(here, name))
        for (const [name] of written) yield* say(`wrote ${shown(name)}`)
        const variables = variablesOf(answers)
        if (variables.length > 0) yield* say(`set ${variables.join(", ")} before it serves`)
        yield* say(`\nnext:`)
        yield* say(`  turnout test ${shown(names[0])}`)
        yield* say(`  turnout simulate ${shown(names[0])} --traffic ${shown(names[2])}`)
        yield* say(`  turnout serve ${shown(names[0])}`)
      }).pipe(Effect.catchTag("QuitError", () => Effect.fail(new CannotBegin({ why: "nothing was written" }))))
    )
).pipe(
  Command.withDescription(
    "Write a policy, its cases and a sample of traffic to start from, which check, pass and simulate as they are. Asks on a terminal for what flags do not say; otherwise begins with the mock provider, which needs no account. Never writes over a file unless told to."
  ),
  Command.withShortDescription("a policy, its tests and a traffic sample to start from"),
  Command.withExamples([
    { command: "turnout init", description: "asks, and begins here" },
    { command: `turnout init gateway --providers ${startingKinds.slice(0, 2).join(",")} --budget 200 --yes`, description: "asks nothing" }
  ])
)
