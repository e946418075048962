/**
 * `turnout schema`: the JSON Schema of policies, for editors.
 */
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { jsonSchema } from "../../src/JsonSchema.ts"
import { say } from "./shared.ts"

export const schema = Command.make("schema", {}, () => Effect.suspend(() => say(JSON.stringify(jsonSchema(), null, 2)))).pipe(
  Command.withDescription(
    "Print the JSON Schema (draft 2020-12) of policies written in JSON or YAML, for completion and red marks in an editor. A policy names it in `$schema`, or in YAML in a comment: # yaml-language-server: $schema=turnout.schema.json"
  ),
  Command.withShortDescription("the JSON Schema of policies, for editors"),
  Command.withExamples([
    {
      command: "turnout schema > turnout.schema.json",
      description: 'beside the policy, which then says "$schema": "./turnout.schema.json"'
    }
  ])
)
