/**
 * `turnout explain`: the decision on one request, step by step, without sending anything.
 */
import { readFileSync } from "node:fs"
import { text } from "node:stream/consumers"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { fallbackApi } from "../../src/Apis.ts"
import { explain as explainCall } from "../../src/Explain.ts"
import { local } from "../../src/Keys.ts"
import { compiled } from "../Policies.ts"
import { orSay, policyArgument, policyFile, say, tell } from "./shared.ts"

class RequestUnreadable extends Schema.TaggedError<RequestUnreadable>()("RequestUnreadable", { file: Schema.String, why: Schema.String }) {
  override get message() {
    return `cannot read the request \`${this.file}\`: ${this.why}`
  }
}

const read = (file: string): Effect.Effect<Uint8Array, RequestUnreadable> =>
  Effect.tryPromise({
    try: async () => (file === "-" ? Buffer.from(await text(process.stdin)) : readFileSync(file)),
    catch: (error) => new RequestUnreadable({ file, why: error instanceof Error ? error.message : String(error) })
  })

export const explain = Command.make(
  "explain",
  {
    policy: policyArgument,
    request: Flag.String("request").pipe(Flag.withDescription("a file with the request's JSON body, or - for standard input")),
    id: Flag.String("id").pipe(Flag.withDescription("the request's id, by which splits may assign"), Flag.withDefault("explain")),
    header: Flag.KeyValuePair("header").pipe(
      Flag.withDescription("a header of the request, name=value; may be given again"),
      Flag.withDefault({} as Record<string, string>)
    )
  },
  ({ header, id, policy, request }) =>
    orSay(
      Effect.gen(function* () {
        const { compiled: built, lines } = yield* compiled(yield* policyFile(policy))
        for (const line of lines) yield* tell(line)
        const headers = new Map(Object.entries(header).map(([name, value]) => [name.toLowerCase(), value]))
        const parsed = fallbackApi.parse(yield* read(request), (name) => headers.get(name) ?? null)
        if ("status" in parsed)
          return yield* new RequestUnreadable({ file: request, why: `${parsed.message} (${parsed.status} ${parsed.code})` })
        yield* say(explainCall(built, { id, api: fallbackApi.name, ask: parsed.ask, caller: local }).join("\n"))
      })
    )
).pipe(
  Command.withDescription(
    "Show what a policy decides for one request, and why: the facts it reads, the routes it passes over, every branch and arm, and what would be tried in which order. Nothing is sent."
  ),
  Command.withShortDescription("the full decision, step by step"),
  Command.withExamples([
    {
      command: "turnout explain policies/quickstart.ts --request request.json",
      description: "explain the body of a Chat Completions request"
    }
  ])
)
