/**
 * `turnout mock`: the mock provider by itself.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { start } from "../Mock.ts"
import { orSay, portFault, tell, WrongUsage } from "./shared.ts"

class MockFailed extends Schema.TaggedError<MockFailed>()("MockFailed", { why: Schema.String }) {
  override get message() {
    return this.why
  }
}

export const mock = Command.make(
  "mock",
  {
    port: Flag.Int("port").pipe(
      Flag.withDescription("port to listen on, on loopback; 0 for any free one (default 8081)"),
      Flag.withDefault(8081)
    )
  },
  ({ port }) =>
    orSay(
      Effect.scoped(
        Effect.gen(function* () {
          const why = portFault(port)
          if (why !== undefined) return yield* new WrongUsage({ why })
          const running = yield* Effect.acquireRelease(
            Effect.tryPromise({
              try: () => start({ port }),
              catch: (error) => new MockFailed({ why: error instanceof Error ? error.message : String(error) })
            }),
            (mock) => Effect.promise(() => mock.close())
          )
          yield* tell(`mock provider on ${running.url}/v1, for any model; behaviour: ${running.url}/mock/models`)
          return yield* Effect.never
        })
      )
    )
).pipe(
  Command.withDescription(
    "Run the mock provider: an OpenAI-compatible server with deterministic answers, streams, tool calls and usage, and settable latency and faults."
  ),
  Command.withShortDescription("a provider that needs no account"),
  Command.withExamples([
    { command: "turnout mock --port 8081", description: "then point a provider's baseUrl at http://127.0.0.1:8081/v1" }
  ])
)
