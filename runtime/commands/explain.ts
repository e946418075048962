/**
 * `turnout explain`: the decision on one request, step by step, without sending anything.
 */
import { readFileSync } from "node:fs"
import { text } from "node:stream/consumers"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { apis, fallbackApi } from "../../src/Apis.ts"
import { standingOver } from "../../src/Budgets.ts"
import type { Api } from "../../src/Call.ts"
import type { Compiled } from "../../src/Compile.ts"
import { explain as explainCall } from "../../src/Explain.ts"
import { type Standing, type TargetHealth, unmeasured } from "../../src/Facts.ts"
import type { GatewayError } from "../../src/GatewayError.ts"
import { type Caller, callersOf, local } from "../../src/Keys.ts"
import { budgetsOf } from "../../src/Layers.ts"
import { parseTime } from "../../src/simulate/Time.ts"
import { didYouMean } from "../../src/Suggest.ts"
import { causeOf } from "../Files.ts"
import { compiled } from "../Policies.ts"
import { orSay, policyArgument, policyFile, say, tell, underOption } from "./shared.ts"

class RequestUnreadable extends Schema.TaggedError<RequestUnreadable>()("RequestUnreadable", { file: Schema.String, why: Schema.String }) {
  override get message() {
    return `cannot read the request \`${this.file}\`: ${this.why}`
  }
}

const read = (file: string): Effect.Effect<Uint8Array, RequestUnreadable> =>
  Effect.tryPromise({
    try: async () => (file === "-" ? Buffer.from(await text(process.stdin)) : readFileSync(file)),
    catch: (error) => new RequestUnreadable({ file, why: causeOf(error) })
  })

class NotInPolicy extends Schema.TaggedError<NotInPolicy>()("NotInPolicy", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

const unknown = (what: string, name: string, names: Iterable<string>): NotInPolicy => {
  const hint = didYouMean(name, [...names])
  return new NotInPolicy({ why: `the policy has no ${what} \`${name}\`${hint === undefined ? "" : `; ${hint}`}` })
}

/** Who calls: the key that is named, the policy's first, or whoever is local. */
const callerOf = ({ policy }: Compiled, named: string | undefined): Effect.Effect<Caller, NotInPolicy> => {
  const callers = callersOf(policy)
  const name = named ?? callers.keys().next().value
  if (name === undefined) return Effect.succeed(local)
  const caller = callers.get(name)
  return caller === undefined ? Effect.fail(unknown("key", name, callers.keys())) : Effect.succeed(caller)
}

/** What is spent of each budget, as `--spent` says. */
const standingOf = ({ budgets, policy }: Compiled, spent: Readonly<Record<string, string>>): Effect.Effect<Standing, NotInPolicy> => {
  const all = budgetsOf(policy)
  for (const [name, text] of Object.entries(spent)) {
    if (all[name] === undefined) return Effect.fail(unknown("budget", name, Object.keys(all)))
    if (!/^\d+(\.\d+)?$/.test(text))
      return Effect.fail(new NotInPolicy({ why: `--spent ${name}=${text}: expected dollars, such as ${name}=150.5` }))
  }
  return Effect.succeed(standingOver(budgets, ({ budget }) => Math.round(Number(Object.hasOwn(spent, budget) ? spent[budget] : 0) * 1e9)))
}

/** Unix time in milliseconds. */
const timeOf = (at: string | undefined): Effect.Effect<number, NotInPolicy> => {
  if (at === undefined) return Clock.currentTimeMillis
  const micros = parseTime(at)
  return micros === undefined
    ? Effect.fail(new NotInPolicy({ why: `--at ${at}: expected a time, such as 2026-01-05T09:00:00Z` }))
    : Effect.succeed(micros / 1_000)
}

/** Targets as nobody has tried them, but for those that are down. */
const healthOf = ({ targets }: Compiled, down: ReadonlyArray<string>): Effect.Effect<TargetHealth, NotInPolicy> => {
  const nobody = down.find((name) => !targets.has(name))
  if (nobody !== undefined) return Effect.fail(unknown("target", nobody, targets.keys()))
  return Effect.succeed((name) => (down.includes(name) ? { ...unmeasured, up: false } : unmeasured))
}

/** Where a body is of another shape it may be one of another API. */
const otherApi = ({ code }: GatewayError, api: string): string =>
  code === "invalid_request" || code === "missing_model" ? `; it was read as \`${api}\`, and --api names another` : ""

/** The model that the address would name. */
const modelOf = ({ dialect, name }: Api, model: string | undefined): Effect.Effect<string | undefined, NotInPolicy> => {
  const inAddress = dialect.modelField === undefined
  if (inAddress === (model !== undefined)) return Effect.succeed(model)
  const why = inAddress
    ? `the address of \`${name}\` names the model: say it with --model`
    : `--model: the body of \`${name}\` names the model`
  return Effect.fail(new NotInPolicy({ why }))
}

export const explain = Command.make(
  "explain",
  {
    policy: policyArgument,
    under: underOption,
    request: Flag.String("request").pipe(Flag.withDescription("a file with the request's JSON body, or - for standard input")),
    api: Flag.Literals("api", [...apis.keys()]).pipe(
      Flag.withDescription(`the API that the request is of (default ${fallbackApi.name})`),
      Flag.withDefault(fallbackApi.name)
    ),
    model: Flag.String("model").pipe(
      Flag.withDescription("the model, for an API whose address names it and not the body (Gemini's)"),
      Flag.optional
    ),
    id: Flag.String("id").pipe(Flag.withDescription("the request's id, by which splits may assign"), Flag.withDefault("explain")),
    as: Flag.String("as").pipe(Flag.withDescription("the key of the policy that calls; the first one where it has keys"), Flag.optional),
    spent: Flag.KeyValuePair("spent").pipe(
      Flag.withDescription("what is spent of a budget already, name=dollars; may be given again (default nothing)"),
      Flag.withDefault({} as Record<string, string>)
    ),
    at: Flag.String("at").pipe(Flag.withDescription("when it is decided, such as 2026-01-05T09:00:00Z; now where absent"), Flag.optional),
    down: Flag.String("down").pipe(Flag.withDescription("a target whose breaker is open; may be given again"), Flag.atLeast(0)),
    header: Flag.KeyValuePair("header").pipe(
      Flag.withDescription("a header of the request, name=value; may be given again"),
      Flag.withDefault({} as Record<string, string>)
    )
  },
  ({ api: named, as, at, down, header, id, model, policy, request, spent, under }) =>
    orSay(
      Effect.gen(function* () {
        const { compiled: built, lines } = yield* compiled(yield* policyFile(policy), under)
        for (const line of lines) yield* tell(line)
        const headers = new Map(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]))
        for (const name of headers.keys())
          if (!built.policy.headers.includes(name))
            yield* tell(`the policy does not read the header \`${name}\`: \`headers\` does not name it`)
        // INVARIANT: the flag takes no other names.
        const api = apis.get(named)!
        const asked = yield* modelOf(api, Option.getOrUndefined(model))
        const parsed = api.parse(yield* read(request), (name) => headers.get(name) ?? null, undefined, asked)
        if ("status" in parsed)
          return yield* new RequestUnreadable({
            file: request,
            why: `${parsed.message} (${parsed.status} ${parsed.code})${otherApi(parsed, named)}`
          })
        const caller = yield* callerOf(built, Option.getOrUndefined(as))
        const standing = yield* standingOf(built, spent)
        const time = yield* timeOf(Option.getOrUndefined(at))
        const health = yield* healthOf(built, down)
        const source = { id, api: api.name, ask: parsed.ask, caller, time, standing, health }
        yield* say(explainCall(built, source).join("\n"))
      })
    )
).pipe(
  Command.withDescription(
    "Show what a policy decides for one request, and why: the facts it reads, the routes it passes over, every branch and arm, what would be tried in which order, the budgets that apply, and what each attempt would reserve. Nothing is sent."
  ),
  Command.withShortDescription("the full decision, step by step"),
  Command.withExamples([
    {
      command: "turnout explain policies/quickstart.ts --request request.json",
      description: "explain the body of a Chat Completions request"
    },
    {
      command: "turnout explain policies/failover.ts --request request.json --down main --at 2026-01-05T09:00:00Z",
      description: "explain it at another time, with an open breaker"
    },
    {
      command: "turnout explain policies/quickstart.ts --request request.json --api generateContent --model assistant",
      description: "explain the body of a request to Gemini's API, whose address names the model"
    }
  ])
)
