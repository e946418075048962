/**
 * The `turnout` command line. Each command is one file in `commands/`; the layers of the gateway meet in `Live.ts`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { build } from "./commands/build.ts"
import { check } from "./commands/check.ts"
import { explain } from "./commands/explain.ts"
import { init } from "./commands/init.ts"
import { mock } from "./commands/mock.ts"
import { schema } from "./commands/schema.ts"
import { serve } from "./commands/serve.ts"
import { cannotSay, statusOf } from "./commands/shared.ts"
import { simulate } from "./commands/simulate.ts"
import { test } from "./commands/test.ts"
import { version } from "./version.ts"

process.stdout.on("error", cannotSay)
// What cannot be told to people is not told, and ends nothing.
process.stderr.on("error", () => {})

const turnout = Command.make("turnout").pipe(
  Command.withDescription("Typed routing policies for LLM traffic: checked, explained, compiled and served."),
  Command.withSubcommands([init, serve, check, explain, simulate, test, build, schema, mock])
)

turnout.pipe(
  Command.run({ version }),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ teardown: (exit, onExit) => onExit(statusOf(exit)) })
)
