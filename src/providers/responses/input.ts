/**
 * The input of a Responses request, decoded item by item.
 *
 * An item is a message, so that its place is kept. Two kinds of items are none: instructions before the first message of another role, which stand apart, and what is said to the
 * provider rather than by anyone (a reference to what it keeps, tools that are added on the way), which becomes an `Extra` at its index.
 *
 * Source: developers.openai.com, "Create a model response", `input`.
 */
import type { Instruction, Message, Part } from "../../Conversation.ts"
import { addAll, noteOthers, present } from "../extras.ts"
import { field, isObject, type Json, listAt, print, textAt } from "../json.ts"
import { aText, note, type Reading, refuse } from "../openai/reading.ts"
import { sealOf } from "../seal.ts"
import { readCitation } from "./citations.ts"
import { fileSource, sourceOf } from "./media.ts"

/** Fields of parts and items whose absence changes no answer: the state of an item, what an answer said of its tokens, what steers OpenAI's cache. */
const cosmetic = new Set(["type", "status", "phase", "logprobs", "prompt_cache_breakpoint", "namespace", "caller", "async", "created_by"])
const matters = (key: string, value: unknown): boolean => !cosmetic.has(key) && !(key === "detail" && value === "auto")

const messageKeys = new Set(["role", "content", "id"])
const textKeys = new Set(["type", "text"])
const outputTextKeys = new Set(["type", "text", "annotations"])
const refusalKeys = new Set(["type", "refusal"])
const audioKeys = new Set(["type", "input_audio"])
const callKeys = new Set(["type", "call_id", "name", "arguments", "id"])
const resultKeys = new Set(["type", "call_id", "name", "output", "id"])
const reasoningKeys = new Set(["type", "summary", "content", "encrypted_content", "id"])

const readText = (reading: Reading, part: Json, at: string): Part | undefined => {
  const text = aText(reading, `${at}.text`, field(part, "text"))
  if (text === undefined) return undefined
  const annotations = field(part, "annotations")
  if (textAt(part, "type") !== "output_text" || !Array.isArray(annotations)) {
    noteOthers(reading.extras, at, part, textKeys, matters)
    return { _tag: "Text", text, at }
  }
  noteOthers(reading.extras, at, part, outputTextKeys, matters)
  return { _tag: "Text", text, at, citations: annotations.map(readCitation) }
}

const readImage = (reading: Reading, part: Json, at: string): Part | undefined => {
  const url = textAt(part, "image_url")
  const id = textAt(part, "file_id")
  const detail = textAt(part, "detail")
  if (url === undefined && id === undefined) return refuse(reading, `${at}.image_url`, "expected a URL, or the id of a file in `file_id`")
  const known = new Set(["type", "detail", url === undefined ? "file_id" : "image_url"])
  noteOthers(reading.extras, at, part, known, matters)
  const source = url === undefined ? ({ _tag: "Uploaded", id: id! } as const) : sourceOf(url)
  return { _tag: "Image", source, at, ...(detail === undefined ? {} : { detail }) }
}

const readFile = (reading: Reading, part: Json, at: string): Part | undefined => {
  const name = textAt(part, "filename")
  const data = textAt(part, "file_data")
  const url = textAt(part, "file_url")
  const id = textAt(part, "file_id")
  const used = data !== undefined ? "file_data" : url !== undefined ? "file_url" : "file_id"
  const source =
    data !== undefined
      ? fileSource(data, name)
      : url !== undefined
        ? ({ _tag: "Url", url } as const)
        : id === undefined
          ? refuse(reading, at, "expected `file_data`, `file_url` or `file_id`")
          : ({ _tag: "Uploaded", id } as const)
  if (reading.bad !== undefined) return undefined
  if (source === undefined) return { _tag: "Foreign", type: "input_file", value: part, at }
  noteOthers(reading.extras, at, part, new Set(["type", "filename", used]), matters)
  return { _tag: "File", source, at, ...(name === undefined ? {} : { name }) }
}

const readPart = (reading: Reading, part: unknown, at: string): Part | undefined => {
  if (!isObject(part)) return refuse(reading, at, "expected an object with a `type`")
  const type = textAt(part, "type")
  switch (type) {
    case undefined:
      return refuse(reading, `${at}.type`, "expected the name of a content part")
    case "input_text":
    case "output_text":
      return readText(reading, part, at)
    case "input_image":
      return readImage(reading, part, at)
    case "input_file":
      return readFile(reading, part, at)
    case "input_audio": {
      const data = textAt(field(part, "input_audio"), "data")
      const format = textAt(field(part, "input_audio"), "format")
      if (data === undefined || format === undefined) return refuse(reading, `${at}.input_audio`, "expected `data` and `format`")
      noteOthers(reading.extras, at, part, audioKeys, matters)
      return { _tag: "Audio", data, format, at }
    }
    case "refusal": {
      const text = aText(reading, `${at}.refusal`, field(part, "refusal"))
      noteOthers(reading.extras, at, part, refusalKeys, matters)
      return text === undefined ? undefined : { _tag: "Refusal", text, at }
    }
    default:
      return { _tag: "Foreign", type, value: part, at }
  }
}

/** The parts of a text or a list. What is no text is noted where only text has a place. */
const readContent = (reading: Reading, content: unknown, at: string, textOnly = false): ReadonlyArray<Part> => {
  if (typeof content === "string") return [{ _tag: "Text", text: content, at }]
  if (!Array.isArray(content)) {
    refuse(reading, at, "expected a string or a list of parts")
    return []
  }
  const parts: Array<Part> = []
  for (let index = 0; index < content.length && reading.bad === undefined; index++) {
    const where = `${at}[${index}]`
    const type = textAt(content[index], "type")
    if (textOnly && type !== undefined && type !== "input_text" && type !== "output_text") {
      note(reading, where, content[index], true, "only text can be an instruction")
      continue
    }
    const part = readPart(reading, content[index], where)
    if (part !== undefined) parts.push(part)
  }
  return parts
}

const isInstruction = (role: unknown): role is "system" | "developer" => role === "system" || role === "developer"
const isRole = (role: unknown): role is "system" | "developer" | "user" | "assistant" =>
  isInstruction(role) || role === "user" || role === "assistant"

const inItem = (parts: ReadonlyArray<Part>, item: string | undefined): ReadonlyArray<Part> =>
  item === undefined ? parts : parts.map((part) => ({ ...part, item }))

const readMessage = (reading: Reading, item: Json, at: string): Message | undefined => {
  const role = field(item, "role")
  if (!isRole(role)) return refuse(reading, `${at}.role`, "expected `user`, `assistant`, `system` or `developer`")
  const id = textAt(item, "id")
  noteOthers(reading.extras, at, item, messageKeys, matters)
  const parts = readContent(reading, field(item, "content"), `${at}.content`)
  if (parts.length === 0 && id !== undefined) note(reading, `${at}.id`, id, false)
  return { role, at, parts: inItem(parts, id) }
}

/** Instructions before the first message of another role: each text is one. What has no text at all is kept whole. */
const readInstructions = (reading: Reading, item: Json, role: "system" | "developer", at: string): ReadonlyArray<Instruction> => {
  const before = reading.extras.length
  noteOthers(reading.extras, at, item, new Set(["role", "content"]), (key, value) => key !== "id" && matters(key, value))
  const parts = readContent(reading, field(item, "content"), `${at}.content`, true)
  if (parts.length === 0 && reading.bad === undefined) {
    reading.extras.length = before
    note(reading, at, item, listAt(item, "content").length > 0, "only text can be an instruction")
  }
  return parts.flatMap((part) => (part._tag === "Text" ? [{ role, text: part.text, at: part.at ?? at }] : []))
}

const readCall = (reading: Reading, item: Json, at: string): Message | undefined => {
  const id = aText(reading, `${at}.call_id`, field(item, "call_id"))
  const name = aText(reading, `${at}.name`, field(item, "name"))
  if (id === undefined || name === undefined) return undefined
  const given = field(item, "arguments")
  // Some clients send the object that the text should spell.
  const text = typeof given === "string" ? given : present(given) ? print(given) : ""
  noteOthers(reading.extras, at, item, callKeys, matters)
  return { role: "assistant", at, parts: inItem([{ _tag: "ToolCall", id, name, arguments: text, at }], textAt(item, "id")) }
}

const readResult = (reading: Reading, item: Json, at: string): Message | undefined => {
  const callId = textAt(item, "call_id")
  const name = textAt(item, "name")
  if (callId === undefined) return refuse(reading, `${at}.call_id`, "expected a string")
  noteOthers(reading.extras, at, item, resultKeys, matters)
  const parts = readContent(reading, field(item, "output"), `${at}.output`)
  const result: Part = { _tag: "ToolResult", callId, parts, at, ...(name === undefined ? {} : { name }) }
  return { role: "tool", at, parts: inItem([result], textAt(item, "id")) }
}

const thoughtTypes = { summary: "summary_text", content: "reasoning_text" } as const

/** The texts of a summary, or of the thoughts themselves; other entries are noted. */
const textsOf = (
  reading: Reading,
  item: Json,
  name: keyof typeof thoughtTypes,
  at: string
): ReadonlyArray<{ readonly text: string; readonly at: string }> =>
  listAt(item, name).flatMap((part, index) => {
    const where = `${at}.${name}[${index}]`
    const text = textAt(part, "text")
    if (!isObject(part) || text === undefined || textAt(part, "type") !== thoughtTypes[name]) {
      note(reading, where, part, true, "not a text of reasoning")
      return []
    }
    noteOthers(reading.extras, where, part, textKeys, matters)
    return [{ text, at: where }]
  })

/**
 * The summary is what callers show; the thoughts themselves, which open models give, stand for it where there is none. The last part carries the seal. An item with neither
 * is known to its provider alone.
 */
const readReasoning = (reading: Reading, item: Json, at: string): Message => {
  const before = reading.extras.length
  const id = textAt(item, "id")
  const data = textAt(item, "encrypted_content") ?? ""
  const seal = data === "" ? undefined : sealOf(data, "responses", id)
  const summary = textsOf(reading, item, "summary", at)
  const content = field(item, "content")
  const texts = summary.length > 0 ? summary : textsOf(reading, item, "content", at)
  noteOthers(reading.extras, at, item, reasoningKeys, matters)
  if (summary.length > 0 && present(content)) note(reading, `${at}.content`, content, false)
  const role = "assistant"
  if (texts.length > 0) {
    const parts = texts.map((text, index): Part => {
      const last = index === texts.length - 1
      return { _tag: "Reasoning", ...text, ...(last && seal !== undefined ? { seal } : {}) }
    })
    return { role, at, parts: inItem(parts, id) }
  }
  if (seal !== undefined) return { role, at, parts: inItem([{ _tag: "SealedReasoning", seal, at }], id) }
  reading.extras.length = before
  return { role, at, parts: [{ _tag: "Foreign", type: "reasoning", value: item, at }] }
}

/** Items that nobody says, by what they are for. Those that are `needed` stand for a part of the conversation that only the provider can read. */
const unsaid: Readonly<Record<string, { readonly needed: boolean; readonly reason: string }>> = {
  item_reference: { needed: true, reason: "only the provider that keeps this item knows what it says" },
  compaction: { needed: true, reason: "only the provider that compacted the conversation can read it" },
  compaction_trigger: { needed: false, reason: "only Responses compacts a conversation on demand" },
  additional_tools: { needed: false, reason: "only Responses takes tools in the midst of a conversation" },
  configuration_update: { needed: false, reason: "only Responses changes its settings in the midst of a conversation" }
}

/** References may go without a type. */
const typeOf = (item: Json): string | undefined =>
  textAt(item, "type") ?? (present(field(item, "role")) ? "message" : textAt(item, "id") === undefined ? undefined : "item_reference")

const readItem = (reading: Reading, item: Json, type: string, at: string): Message | undefined => {
  switch (type) {
    case "message":
      return readMessage(reading, item, at)
    case "function_call":
      return readCall(reading, item, at)
    case "function_call_output":
      return readResult(reading, item, at)
    case "reasoning":
      return readReasoning(reading, item, at)
    default: {
      const role = /_(?:output|response)$/.test(type) ? "tool" : "assistant"
      return { role, at, parts: [{ _tag: "Foreign", type, value: item, at }] }
    }
  }
}

/** Reads `input` behind the instructions that are there already. */
export const readInput = (reading: Reading, input: unknown, system: Array<Instruction>): ReadonlyArray<Message> => {
  if (!present(input)) return []
  if (typeof input === "string") return [{ role: "user", at: "input", parts: [{ _tag: "Text", text: input, at: "input" }] }]
  const messages: Array<Message> = []
  if (!Array.isArray(input)) {
    refuse(reading, "input", "expected a text or a list of items")
    return messages
  }
  if (input.length === 0) note(reading, "input", input, false)
  for (let index = 0; index < input.length && reading.bad === undefined; index++) {
    const at = `input[${index}]`
    const item: unknown = input[index]
    if (!isObject(item)) {
      refuse(reading, at, "expected an object with a `type` or a `role`")
      break
    }
    const type = typeOf(item)
    const role = field(item, "role")
    if (type === undefined) refuse(reading, `${at}.type`, "expected the name of an item")
    else if (Object.hasOwn(unsaid, type)) {
      const { needed, reason } = unsaid[type]!
      reading.extras.push({ field: at, value: item, matters: true, reason, ...(needed ? { needed } : {}) })
    } else if (type === "message" && messages.length === 0 && isInstruction(role)) addAll(system, readInstructions(reading, item, role, at))
    else {
      const message = readItem(reading, item, type, at)
      if (message !== undefined) messages.push(message)
    }
  }
  return messages
}
