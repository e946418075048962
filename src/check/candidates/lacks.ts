/**
 * What a known lack of a model is about, as a condition on requests and in words.
 */
import type { Condition } from "../../Condition.ts"
import type { Capability } from "../../Policy.ts"
import type { Lack } from "../../Rules.ts"

const asking: Readonly<Record<Capability, string>> = {
  vision: "images",
  audio: "sound",
  files: "files",
  tools: "tools",
  structuredOutput: "a schema to keep to",
  reasoning: "reasoning"
}

/** What requests come with that a lack is one for. */
export const askingFor = ({ label, most }: Lack): string =>
  label === "context"
    ? `more than ${most} input tokens`
    : label === "output"
      ? `a maximum of more than ${most} tokens of answer`
      : asking[label as Capability]

/** The requests that it leaves. */
export const withoutAsking = (lack: Lack): string =>
  lack.most === undefined
    ? `no ${askingFor(lack).replace(/^a /, "")}`
    : `at most ${lack.most} ${lack.label === "context" ? "input tokens" : "tokens of answer"}`

/** Requests that a lack is one for. */
export const needing = ({ fact, most }: Lack): Condition =>
  most === undefined
    ? { _tag: "Flag", fact }
    : {
        _tag: "All",
        of: [
          { _tag: "IsNot", fact, value: null },
          { _tag: "Ordered", fact, order: ">", value: most }
        ]
      }
