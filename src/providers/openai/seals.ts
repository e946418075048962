/**
 * Where messages of Chat Completions carry what a provider signed: in fields that its own schema does not have, but that hosts and gateways have agreed on.
 *
 * - `thinking_blocks`: Anthropic's thinking beside `reasoning_content`, as LiteLLM writes it ("Reasoning Content").
 * - `reasoning_details`: what OpenRouter gives of every provider's thinking ("Reasoning Tokens", "Preserving reasoning").
 * - `extra_content.google.thought_signature`, on a tool call or a message: Gemini's own compatible endpoint ("Thought signatures", "OpenAI compatibility").
 *
 * A host's seal is the JSON of the fields that it wants back, so that callers of other dialects can give them back as well.
 */
import type { Seal } from "../../Conversation.ts"
import { field, isObject, type Json, objectAt, parse, print, textAt } from "../json.ts"

/** Fields of a message that hold signatures. */
export const sealingKeys = ["reasoning_details", "thinking_blocks", "extra_content", "thought_signature"] as const

/** Gemini's signature in a tool call. */
export const googleSignature = (call: unknown): string | undefined => {
  const text = textAt(field(field(call, "extra_content"), "google"), "thought_signature")
  return text === "" ? undefined : text
}

/** A tool call's field for Gemini's signature. */
export const googleContent = (signature: string): Json => ({ extra_content: { google: { thought_signature: signature } } })

const signs = (entry: unknown): boolean => (textAt(entry, "signature") ?? "") !== "" || (textAt(entry, "data") ?? "") !== ""

/** Whether a field of a message holds a signature. */
const isSealed = (value: unknown): boolean =>
  typeof value === "string"
    ? value !== ""
    : Array.isArray(value)
      ? value.some(signs)
      : (textAt(objectAt(value, "google"), "thought_signature") ?? "") !== ""

/** The seal that these fields of a message are; undefined where nothing in them is signed. */
export const hostSeal = (fields: Json): Seal | undefined =>
  Object.values(fields).some(isSealed) ? { dialect: "chat.completions", data: print(fields) } : undefined

/** The fields that a host's seal says. */
export const sealedFields = ({ data, dialect }: Seal): Json => {
  const fields = dialect === "chat.completions" ? parse(data) : undefined
  return isObject(fields) ? fields : {}
}

const joinedTexts = ["text", "summary", "data", "thinking"] as const

/** Whether `next` goes on with `last`: the pieces of one entry have its index, or where there is none come before its signature. */
const continues = (last: unknown, next: Json): last is Json =>
  isObject(last) && last["type"] === next["type"] && (next["index"] === undefined ? !signs(last) : last["index"] === next["index"])

/** A list of a streamed message with what came now: the texts of one entry come in pieces, the rest of it once. */
export const gathered = (list: ReadonlyArray<unknown>, more: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  const all = [...list]
  for (const next of more) {
    const last = all.at(-1)
    if (!isObject(next) || !continues(last, next)) {
      all.push(next)
      continue
    }
    const one: Record<string, unknown> = { ...last }
    for (const key of Object.keys(next)) {
      const [before, now] = [one[key], next[key]]
      if (now === null || key === "__proto__") continue
      const joins = joinedTexts.some((name) => name === key) && typeof before === "string" && typeof now === "string"
      one[key] = joins ? before + now : now
    }
    all[all.length - 1] = one
  }
  return all
}
