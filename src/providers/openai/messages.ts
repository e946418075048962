/**
 * The messages of a Chat Completions request, decoded part by part.
 */
import type { Instruction, Message, Part, Source } from "../../Conversation.ts"
import { field, isObject, print, textAt } from "../json.ts"
import type { Json } from "../json.ts"
import { aText, cacheOf, note, noteUnknown, present, refuse } from "./reading.ts"
import type { Reading } from "./reading.ts"

/** The media type and base64 text of a `data:` URL. */
const dataUrl = (url: string): { readonly mediaType: string; readonly data: string } | undefined => {
  if (!url.startsWith("data:")) return undefined
  const comma = url.indexOf(",")
  if (comma < 0) return undefined
  const [mediaType = "", ...rest] = url.slice(5, comma).split(";")
  if (rest.at(-1)?.trim().toLowerCase() !== "base64") return undefined
  return { mediaType: mediaType.trim().toLowerCase(), data: url.slice(comma + 1) }
}

const sourceOf = (url: string): Source => {
  const data = dataUrl(url)
  return data === undefined ? { _tag: "Url", url } : { _tag: "Base64", ...data }
}

const mediaTypes: Readonly<Record<string, string>> = {
  pdf: "application/pdf",
  txt: "text/plain",
  md: "text/plain",
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  gif: "image/gif",
  webp: "image/webp"
}

/** File data without a `data:` prefix is bare base64; its name says what it is, and most often it is a PDF. */
const fileSource = (data: string, name: string | undefined): Source => {
  const known = dataUrl(data)
  if (known !== undefined) return { _tag: "Base64", ...known }
  if (/^https?:\/\//i.test(data)) return { _tag: "Url", url: data }
  const ending = name === undefined ? "" : name.slice(name.lastIndexOf(".") + 1).toLowerCase()
  return { _tag: "Base64", mediaType: (Object.hasOwn(mediaTypes, ending) ? mediaTypes[ending] : undefined) ?? "application/pdf", data }
}

// `prompt_cache_breakpoint` changes the bill alone, and no other provider counts as OpenAI does.
const partKeys = new Set(["type", "text", "image_url", "input_audio", "file", "refusal", "cache_control", "prompt_cache_breakpoint"])
const imageKeys = new Set(["url", "detail"])
const audioKeys = new Set(["data", "format"])
const fileKeys = new Set(["file_data", "file_id", "filename"])

const readPart = (reading: Reading, part: unknown, at: string): Part | undefined => {
  if (!isObject(part)) return refuse(reading, at, "expected an object with a `type`")
  const type = textAt(part, "type")
  if (type === undefined) return refuse(reading, `${at}.type`, "expected the name of a content part")
  const cache = cacheOf(part)
  switch (type) {
    case "text": {
      noteUnknown(reading, at, part, partKeys)
      const text = aText(reading, `${at}.text`, field(part, "text"))
      return text === undefined ? undefined : { _tag: "Text", text, at, ...cache }
    }
    case "image_url": {
      noteUnknown(reading, at, part, partKeys)
      const image = field(part, "image_url")
      const url = typeof image === "string" ? image : textAt(image, "url")
      if (url === undefined) return refuse(reading, `${at}.image_url.url`, "expected a URL")
      if (isObject(image)) noteUnknown(reading, `${at}.image_url`, image, imageKeys)
      const detail = textAt(image, "detail")
      return { _tag: "Image", source: sourceOf(url), at: `${at}.image_url`, ...cache, ...(detail === undefined ? {} : { detail }) }
    }
    case "input_audio": {
      noteUnknown(reading, at, part, partKeys)
      const audio = field(part, "input_audio")
      const data = textAt(audio, "data")
      const format = textAt(audio, "format")
      if (!isObject(audio) || data === undefined || format === undefined) {
        return refuse(reading, `${at}.input_audio`, "expected `data` and `format`")
      }
      noteUnknown(reading, `${at}.input_audio`, audio, audioKeys)
      return { _tag: "Audio", data, format, at }
    }
    case "file": {
      noteUnknown(reading, at, part, partKeys)
      const file = field(part, "file")
      if (!isObject(file)) return refuse(reading, `${at}.file`, "expected an object")
      noteUnknown(reading, `${at}.file`, file, fileKeys)
      const name = textAt(file, "filename")
      const data = textAt(file, "file_data")
      const id = textAt(file, "file_id")
      const source = data !== undefined ? fileSource(data, name) : id !== undefined ? ({ _tag: "Uploaded", id } as const) : undefined
      if (source === undefined) return refuse(reading, `${at}.file`, "expected `file_data` or `file_id`")
      return { _tag: "File", source, at, ...cache, ...(name === undefined ? {} : { name }) }
    }
    case "refusal": {
      const text = aText(reading, `${at}.refusal`, field(part, "refusal"))
      return text === undefined ? undefined : { _tag: "Refusal", text, at }
    }
    default:
      return { _tag: "Foreign", type, value: part, at }
  }
}

const readContent = (reading: Reading, content: unknown, at: string): ReadonlyArray<Part> => {
  if (!present(content)) return []
  if (typeof content === "string") return [{ _tag: "Text", text: content, at }]
  if (!Array.isArray(content)) {
    refuse(reading, at, "expected a string or a list of parts")
    return []
  }
  const parts: Array<Part> = []
  for (let index = 0; index < content.length && reading.bad === undefined; index++) {
    const part = readPart(reading, content[index], `${at}[${index}]`)
    if (part !== undefined) parts.push(part)
  }
  return parts
}

const readToolCall = (reading: Reading, call: unknown, at: string): Part | undefined => {
  if (!isObject(call)) return refuse(reading, at, "expected an object")
  const id = aText(reading, `${at}.id`, field(call, "id"))
  if (id === undefined) return undefined
  const called = field(call, "function")
  const type = textAt(call, "type") ?? "function"
  if (type !== "function") return { _tag: "Foreign", type, value: call, at }
  const name = aText(reading, `${at}.function.name`, field(called, "name"))
  if (name === undefined) return undefined
  return { _tag: "ToolCall", id, name, arguments: argumentsText(field(called, "arguments")), at, ...cacheOf(call) }
}

/** Some clients send the arguments as the object that the text should spell. */
const argumentsText = (value: unknown): string => (typeof value === "string" ? value : present(value) ? print(value) : "")

/** `thinking_blocks` is what `encodeAnswer` writes beside `reasoning_content`, so that signatures survive the way through a client. */
const readThinking = (reading: Reading, blocks: unknown, at: string): ReadonlyArray<Part> => {
  if (!Array.isArray(blocks)) {
    refuse(reading, at, "expected a list")
    return []
  }
  return blocks.map((block, index): Part => {
    const where = `${at}[${index}]`
    const type = textAt(block, "type") ?? "thinking_block"
    const data = textAt(block, "data")
    if (type === "redacted_thinking" && data !== undefined) return { _tag: "SealedReasoning", data, at: where }
    const text = textAt(block, "thinking")
    const signature = textAt(block, "signature")
    if (type !== "thinking" || text === undefined) return { _tag: "Foreign", type, value: block, at: where }
    return { _tag: "Reasoning", text, at: where, ...(signature === undefined || signature === "" ? {} : { signature }) }
  })
}

const messageKeys = new Set(["role", "content", "name", "cache_control"])
const assistantKeys = new Set([
  ...messageKeys,
  "tool_calls",
  "function_call",
  "refusal",
  "reasoning_content",
  "reasoning",
  "thinking_blocks",
  // What an answer said beside its text; a request does not read it again.
  "annotations",
  "audio"
])
const toolKeys = new Set([...messageKeys, "tool_call_id"])

const readAssistant = (reading: Reading, message: Json, at: string, index: number): ReadonlyArray<Part> => {
  const parts: Array<Part> = []
  const blocks = field(message, "thinking_blocks")
  const reasoning = textAt(message, "reasoning_content") ?? textAt(message, "reasoning")
  if (present(blocks)) parts.push(...readThinking(reading, blocks, `${at}.thinking_blocks`))
  else if (reasoning !== undefined && reasoning !== "") {
    const name = textAt(message, "reasoning_content") === undefined ? "reasoning" : "reasoning_content"
    parts.push({ _tag: "Reasoning", text: reasoning, at: `${at}.${name}` })
  }
  parts.push(...readContent(reading, field(message, "content"), `${at}.content`))
  const refusal = textAt(message, "refusal")
  if (refusal !== undefined && refusal !== "") parts.push({ _tag: "Refusal", text: refusal, at: `${at}.refusal` })
  const audio = field(message, "audio")
  if (present(audio)) parts.push({ _tag: "Foreign", type: "audio", value: audio, at: `${at}.audio` })
  const calls = field(message, "tool_calls")
  if (Array.isArray(calls)) {
    for (let position = 0; position < calls.length; position++) {
      const call = readToolCall(reading, calls[position], `${at}.tool_calls[${position}]`)
      if (call !== undefined) parts.push(call)
    }
  } else if (present(calls)) refuse(reading, `${at}.tool_calls`, "expected a list")
  const called = field(message, "function_call")
  const name = textAt(called, "name")
  if (name !== undefined) {
    const id = `call_${index}`
    reading.functionCalls.set(name, id)
    parts.push({ _tag: "ToolCall", id, name, arguments: argumentsText(field(called, "arguments")), at: `${at}.function_call` })
  } else if (present(called)) refuse(reading, `${at}.function_call.name`, "expected a string")
  return parts
}

const withCache = (parts: ReadonlyArray<Part>, message: Json): ReadonlyArray<Part> => {
  const hint = cacheOf(message)
  const last = parts.at(-1)
  if (hint.cache === undefined || last === undefined) return parts
  return [...parts.slice(0, -1), { ...last, ...hint } as Part]
}

const readMessage = (reading: Reading, message: unknown, index: number): Message | undefined => {
  const at = `messages[${index}]`
  if (!isObject(message)) return refuse(reading, at, "expected an object with a `role`")
  const role = textAt(message, "role")
  const given = textAt(message, "name")
  const name = given === undefined || given === "" ? {} : { name: given }
  switch (role) {
    case "system":
    case "developer":
    case "user":
      noteUnknown(reading, at, message, messageKeys)
      return { role, at, ...name, parts: withCache(readContent(reading, field(message, "content"), `${at}.content`), message) }
    case "assistant":
      noteUnknown(reading, at, message, assistantKeys)
      return { role, at, ...name, parts: withCache(readAssistant(reading, message, at, index), message) }
    case "tool": {
      noteUnknown(reading, at, message, toolKeys)
      const callId = aText(reading, `${at}.tool_call_id`, field(message, "tool_call_id"))
      if (callId === undefined) return undefined
      const parts = readContent(reading, field(message, "content"), `${at}.content`)
      return { role, at, parts: [{ _tag: "ToolResult", callId, parts, at, ...cacheOf(message) }] }
    }
    case "function": {
      noteUnknown(reading, at, message, messageKeys)
      const callId = reading.functionCalls.get(given ?? "")
      if (callId === undefined) return refuse(reading, `${at}.name`, "expected the name of a function that was called before")
      const parts = readContent(reading, field(message, "content"), `${at}.content`)
      return { role: "tool", at, parts: [{ _tag: "ToolResult", callId, parts, at }] }
    }
    default:
      return refuse(reading, `${at}.role`, "expected `system`, `developer`, `user`, `assistant` or `tool`")
  }
}

/** Reads `messages`; the instructions before the first message of another role stand apart. */
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
    const message = readMessage(reading, list[index], index)
    if (message === undefined) break
    if ((message.role === "system" || message.role === "developer") && messages.length === 0) {
      if (message.name !== undefined) note(reading, `${message.at}.name`, message.name, true)
      for (const part of message.parts) {
        const at = part.at ?? message.at
        if (part._tag === "Text") {
          system.push({ role: message.role, text: part.text, at, ...(part.cache === undefined ? {} : { cache: part.cache }) })
        } else note(reading, at, part, true, "only text can be an instruction")
      }
    } else messages.push(message)
  }
  return { system, messages }
}
