/**
 * The messages of a Messages request, decoded block by block.
 *
 * A block that the model has no part for becomes a `Foreign` part in its place: the blocks of the provider's own tools, search results, compactions. `at` says
 * whether a content was a string (`messages[0].content`) or a list (`messages[0].content[0]`), so that it can be given back as it was.
 */
import type { Citation, Instruction, Message, Part, Source } from "../../Conversation.ts"
import { addAll, present } from "../extras.ts"
import { field, isObject, print, textAt } from "../json.ts"
import type { Json } from "../json.ts"
import { sealOf } from "../seal.ts"
import { aText, anObject, cacheOf, maybeBoolean, maybeText, note, noteUnknown, refuse } from "./reading.ts"
import type { Reading } from "./reading.ts"

/** A source that Claude names, as far as other providers name sources too. */
const citationOf = (value: unknown): Citation => {
  const url = textAt(value, "url")
  const title = textAt(value, "title") ?? textAt(value, "document_title")
  const quote = textAt(value, "cited_text")
  return {
    value,
    ...(url === undefined ? {} : { url }),
    ...(title === undefined ? {} : { title }),
    ...(quote === undefined ? {} : { quote })
  }
}

const textKeys = new Set(["type", "text", "citations", "cache_control"])

const readText = (reading: Reading, block: Json, at: string): Part | undefined => {
  const text = aText(reading, `${at}.text`, field(block, "text"))
  if (text === undefined) return undefined
  const citations = field(block, "citations")
  if (present(citations) && !Array.isArray(citations)) return refuse(reading, `${at}.citations`, "expected a list")
  noteUnknown(reading, at, block, textKeys)
  return {
    _tag: "Text",
    text,
    at,
    ...cacheOf(reading, block, at),
    ...(Array.isArray(citations) ? { citations: citations.map(citationOf) } : {})
  }
}

const sourceKeys: Readonly<Record<string, ReadonlySet<string>>> = {
  base64: new Set(["type", "media_type", "data"]),
  text: new Set(["type", "media_type", "data"]),
  url: new Set(["type", "url"]),
  file: new Set(["type", "file_id"])
}

/** A source that every target can read in some way; undefined where it is of another kind, or wrong. */
const readSource = (reading: Reading, source: Json, at: string, type: string): Source | undefined => {
  const text = (key: string): string => aText(reading, `${at}.${key}`, field(source, key)) ?? ""
  if (!Object.hasOwn(sourceKeys, type)) return undefined
  noteUnknown(reading, at, source, sourceKeys[type]!)
  switch (type) {
    case "base64":
      return { _tag: "Base64", mediaType: text("media_type"), data: text("data") }
    case "url":
      return { _tag: "Url", url: text("url") }
    case "file":
      return { _tag: "Uploaded", id: text("file_id") }
    default: {
      if (text("media_type") !== "text/plain") note(reading, `${at}.media_type`, field(source, "media_type"), false)
      return { _tag: "Plain", text: text("data") }
    }
  }
}

/** A document in blocks: its text, and whether it holds anything else. */
const plainOf = (content: unknown): { readonly text: string; readonly whole: boolean } | undefined => {
  if (typeof content === "string") return { text: content, whole: true }
  if (!Array.isArray(content)) return undefined
  const texts = content.flatMap((block: unknown) => textAt(block, "text") ?? [])
  return { text: texts.join("\n"), whole: texts.length === content.length }
}

const imageKeys = new Set(["type", "source", "cache_control"])
const documentKeys = new Set(["type", "source", "cache_control", "title", "citations"])

const readMedia = (reading: Reading, block: Json, at: string, type: "image" | "document"): Part | undefined => {
  const given = anObject(reading, `${at}.source`, field(block, "source"))
  if (given === undefined) return undefined
  const kind = aText(reading, `${at}.source.type`, field(given, "type"))
  if (kind === undefined) return undefined
  const foreign: Part = { _tag: "Foreign", type, value: block, at }
  if (type === "image") {
    const source = kind === "text" ? undefined : readSource(reading, given, `${at}.source`, kind)
    if (source === undefined) return foreign
    noteUnknown(reading, at, block, imageKeys)
    return { _tag: "Image", source, at, ...cacheOf(reading, block, at) }
  }
  let source: Source | undefined
  if (kind === "content") {
    const plain = plainOf(field(given, "content"))
    if (plain === undefined) return refuse(reading, `${at}.source.content`, "expected a string or a list of blocks")
    source = { _tag: "Plain", text: plain.text }
    note(reading, `${at}.source`, given, !plain.whole, { reason: "of a document in blocks only the text is told" })
  } else source = readSource(reading, given, `${at}.source`, kind)
  if (source === undefined) return foreign
  const name = maybeText(reading, `${at}.title`, field(block, "title"))
  const citations = field(block, "citations")
  let cite: boolean | undefined
  if (present(citations)) {
    if (!isObject(citations)) return refuse(reading, `${at}.citations`, "expected an object")
    cite = maybeBoolean(reading, `${at}.citations.enabled`, field(citations, "enabled"))
    if (cite === undefined) note(reading, `${at}.citations`, citations, false)
    else noteUnknown(reading, `${at}.citations`, citations, new Set(["enabled"]))
  }
  noteUnknown(reading, at, block, documentKeys)
  return {
    _tag: "File",
    source,
    at,
    ...cacheOf(reading, block, at),
    ...(name === undefined ? {} : { name }),
    ...(cite === undefined ? {} : { cite })
  }
}

const toolUseKeys = new Set(["type", "id", "name", "input", "cache_control"])
/** A call that the model made by itself, not out of a program, says nothing more. */
const callMatters = (key: string, value: unknown): boolean => !(key === "caller" && textAt(value, "type") === "direct")

const readToolUse = (reading: Reading, block: Json, at: string): Part | undefined => {
  const id = aText(reading, `${at}.id`, field(block, "id"))
  const name = aText(reading, `${at}.name`, field(block, "name"))
  const input = anObject(reading, `${at}.input`, field(block, "input"))
  if (id === undefined || name === undefined || input === undefined) return undefined
  const text = print(input)
  if (text === "") return refuse(reading, `${at}.input`, "nested too deeply")
  noteUnknown(reading, at, block, toolUseKeys, callMatters)
  return { _tag: "ToolCall", id, name, arguments: text, at, ...cacheOf(reading, block, at) }
}

const toolResultKeys = new Set(["type", "tool_use_id", "content", "is_error", "cache_control"])

const readToolResult = (reading: Reading, block: Json, at: string): Part | undefined => {
  const callId = aText(reading, `${at}.tool_use_id`, field(block, "tool_use_id"))
  if (callId === undefined) return undefined
  const content = field(block, "content")
  const parts = present(content) ? readContent(reading, content, `${at}.content`, true) : []
  const isError = maybeBoolean(reading, `${at}.is_error`, field(block, "is_error"))
  noteUnknown(reading, at, block, toolResultKeys)
  return { _tag: "ToolResult", callId, parts, at, ...cacheOf(reading, block, at), ...(isError === undefined ? {} : { isError }) }
}

const thinkingKeys = new Set(["type", "thinking", "signature"])
const redactedKeys = new Set(["type", "data"])

/** `inside` a result no block holds blocks of its own, so the depth ends here. */
const readBlock = (reading: Reading, block: unknown, at: string, inside: boolean): Part | undefined => {
  if (!isObject(block)) return refuse(reading, at, "expected an object with a `type`")
  const type = textAt(block, "type")
  switch (type) {
    case undefined:
      return refuse(reading, `${at}.type`, "expected the name of a content block")
    case "text":
      return readText(reading, block, at)
    case "image":
    case "document":
      return readMedia(reading, block, at, type)
    case "tool_use":
      return inside ? { _tag: "Foreign", type, value: block, at } : readToolUse(reading, block, at)
    case "tool_result":
      return inside ? { _tag: "Foreign", type, value: block, at } : readToolResult(reading, block, at)
    case "thinking": {
      const text = aText(reading, `${at}.thinking`, field(block, "thinking"))
      const signature = maybeText(reading, `${at}.signature`, field(block, "signature"))
      if (text === undefined) return undefined
      noteUnknown(reading, at, block, thinkingKeys)
      // Providers without signatures are spoken to in this dialect too.
      if (signature === "") note(reading, `${at}.signature`, signature, false)
      const seal = signature === undefined ? undefined : sealOf(signature, "messages")
      // An empty seal is put on thoughts that nobody has signed.
      return { _tag: "Reasoning", text, at, ...(seal === undefined || seal.data === "" ? {} : { seal }) }
    }
    case "redacted_thinking": {
      const data = aText(reading, `${at}.data`, field(block, "data"))
      if (data === undefined) return undefined
      noteUnknown(reading, at, block, redactedKeys)
      return { _tag: "SealedReasoning", seal: sealOf(data, "messages"), at }
    }
    default:
      return { _tag: "Foreign", type, value: block, at }
  }
}

const readContent = (reading: Reading, content: unknown, at: string, inside = false): ReadonlyArray<Part> => {
  if (typeof content === "string") return [{ _tag: "Text", text: content, at }]
  if (!Array.isArray(content)) {
    refuse(reading, at, "expected a string or a list of blocks")
    return []
  }
  const parts: Array<Part> = []
  for (let index = 0; index < content.length && reading.bad === undefined; index++) {
    const part = readBlock(reading, content[index], `${at}[${index}]`, inside)
    if (part !== undefined) parts.push(part)
  }
  return parts
}

const messageKeys = new Set(["role", "content"])

const readMessage = (reading: Reading, message: unknown, at: string): Message | undefined => {
  if (!isObject(message)) return refuse(reading, at, "expected an object with a `role`")
  const role = textAt(message, "role")
  if (role !== "user" && role !== "assistant" && role !== "system")
    return refuse(reading, `${at}.role`, "expected `user`, `assistant` or `system`")
  const parts = readContent(reading, field(message, "content"), `${at}.content`)
  noteUnknown(reading, at, message, messageKeys)
  return { role, at, parts }
}

const instructionKeys = new Set(["type", "text", "cache_control"])

/** Instructions are texts; anything else among them is kept as it is. */
const readInstructions = (reading: Reading, content: unknown, at: string): ReadonlyArray<Instruction> => {
  if (typeof content === "string") return [{ role: "system", text: content, at }]
  if (!Array.isArray(content)) return refuse(reading, at, "expected a string or a list of blocks") ?? []
  return content.flatMap((block: unknown, index): ReadonlyArray<Instruction> => {
    const here = `${at}[${index}]`
    const type = textAt(block, "type")
    if (!isObject(block) || type === undefined) return refuse(reading, `${here}.type`, "expected the name of a content block") ?? []
    if (type !== "text") {
      note(reading, here, block, true, { reason: "only text can be an instruction" })
      return []
    }
    const text = aText(reading, `${here}.text`, field(block, "text"))
    if (text === undefined) return []
    noteUnknown(reading, here, block, instructionKeys)
    return [{ role: "system", text, at: here, ...cacheOf(reading, block, here) }]
  })
}

/** Reads `system`. */
export const readSystem = (reading: Reading, value: unknown): ReadonlyArray<Instruction> =>
  present(value) ? readInstructions(reading, value, "system") : []

/** Reads `messages`. Instructions before the first message of another role join those of `system`; where they stood is known by their `at`. */
export const readMessages = (
  reading: Reading,
  list: unknown
): { readonly system: ReadonlyArray<Instruction>; readonly messages: ReadonlyArray<Message> } => {
  const system: Array<Instruction> = []
  const messages: Array<Message> = []
  if (!Array.isArray(list) || list.length === 0) {
    refuse(reading, "messages", "expected a list of at least one message")
    return { system, messages }
  }
  for (let index = 0; index < list.length && reading.bad === undefined; index++) {
    const at = `messages[${index}]`
    const entry: unknown = list[index]
    if (messages.length > 0 || textAt(entry, "role") !== "system") {
      const message = readMessage(reading, entry, at)
      if (message !== undefined) messages.push(message)
      continue
    }
    const noted = reading.extras.length
    const found = readInstructions(reading, field(entry, "content"), `${at}.content`)
    addAll(system, found)
    if (found.length > 0) {
      noteUnknown(reading, at, entry as Json, messageKeys)
      continue
    }
    // Nothing of it is said elsewhere, so it is kept as one.
    reading.extras.length = noted
    note(reading, at, entry, true, { reason: "only text can be an instruction" })
  }
  return { system, messages }
}
