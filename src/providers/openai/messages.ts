/**
 * The messages of a Chat Completions request, decoded part by part.
 */
import type { Instruction, Message, Part, Seal } from "../../Conversation.ts"
import { addAll, present } from "../extras.ts"
import { field, isObject, listAt, print, textAt } from "../json.ts"
import type { Json } from "../json.ts"
import { sealOf } from "../seal.ts"
import { fileSource, sourceOf, urlOf } from "./media.ts"
import { asWritten, aText, cacheControl, cacheOf, note, noteUnknown, refuse } from "./reading.ts"
import type { Reading } from "./reading.ts"
import { googleSignature } from "./seals.ts"

const textPartKeys = new Set(["type", "text", "cache_control"])
const imagePartKeys = new Set(["type", "image_url", "cache_control"])
const filePartKeys = new Set(["type", "file", "cache_control"])
const audioPartKeys = new Set(["type", "input_audio"])
const refusalPartKeys = new Set(["type", "refusal"])
const imageKeys = new Set(["url", "detail"])
const audioKeys = new Set(["data", "format"])
const fileKeys = new Set(["file_data", "file_id", "filename"])

const readImage = (reading: Reading, part: Json, at: string): Part | undefined => {
  const image = field(part, "image_url")
  const url = typeof image === "string" ? image : textAt(image, "url")
  if (url === undefined) return refuse(reading, `${at}.image_url.url`, "expected a URL")
  const source = sourceOf(url)
  if (isObject(image)) {
    noteUnknown(reading, `${at}.image_url`, image, imageKeys)
    if (urlOf(source) !== url) asWritten(reading.extras, `${at}.image_url.url`, url)
  } else asWritten(reading.extras, `${at}.image_url`, image)
  const detail = textAt(image, "detail")
  return { _tag: "Image", source, at: `${at}.image_url`, ...cacheOf(reading, part, at), ...(detail === undefined ? {} : { detail }) }
}

const readAudio = (reading: Reading, part: Json, at: string): Part | undefined => {
  const audio = field(part, "input_audio")
  const data = textAt(audio, "data")
  const format = textAt(audio, "format")
  if (!isObject(audio) || data === undefined || format === undefined) {
    return refuse(reading, `${at}.input_audio`, "expected `data` and `format`")
  }
  noteUnknown(reading, `${at}.input_audio`, audio, audioKeys)
  return { _tag: "Audio", data, format, at }
}

const readFile = (reading: Reading, part: Json, at: string): Part | undefined => {
  const file = field(part, "file")
  if (!isObject(file)) return refuse(reading, `${at}.file`, "expected an object")
  noteUnknown(reading, `${at}.file`, file, fileKeys)
  const name = textAt(file, "filename")
  const data = textAt(file, "file_data")
  const id = textAt(file, "file_id")
  const source = data !== undefined ? fileSource(data, name) : id !== undefined ? ({ _tag: "Uploaded", id } as const) : undefined
  if (source === undefined) return refuse(reading, `${at}.file`, "expected `file_data` or `file_id`")
  if (data !== undefined && urlOf(source) !== data) asWritten(reading.extras, `${at}.file.file_data`, data)
  if (data !== undefined && id !== undefined) asWritten(reading.extras, `${at}.file.file_id`, id)
  return { _tag: "File", source, at, ...cacheOf(reading, part, at), ...(name === undefined ? {} : { name }) }
}

const readPart = (reading: Reading, part: unknown, at: string): Part | undefined => {
  if (!isObject(part)) return refuse(reading, at, "expected an object with a `type`")
  const type = textAt(part, "type")
  if (type === undefined) return refuse(reading, `${at}.type`, "expected the name of a content part")
  switch (type) {
    case "text": {
      noteUnknown(reading, at, part, textPartKeys)
      const text = aText(reading, `${at}.text`, field(part, "text"))
      return text === undefined ? undefined : { _tag: "Text", text, at, ...cacheOf(reading, part, at) }
    }
    case "image_url":
      noteUnknown(reading, at, part, imagePartKeys)
      return readImage(reading, part, at)
    case "input_audio":
      noteUnknown(reading, at, part, audioPartKeys)
      return readAudio(reading, part, at)
    case "file":
      noteUnknown(reading, at, part, filePartKeys)
      return readFile(reading, part, at)
    case "refusal": {
      noteUnknown(reading, at, part, refusalPartKeys)
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
  if (content.length === 0) asWritten(reading.extras, at, content)
  const parts: Array<Part> = []
  for (let index = 0; index < content.length && reading.bad === undefined; index++) {
    const part = readPart(reading, content[index], `${at}[${index}]`)
    if (part !== undefined) parts.push(part)
  }
  return parts
}

const callKeys = new Set(["id", "type", "function", "cache_control", "extra_content"])
const contentKeys = new Set(["google"])
const googleKeys = new Set(["thought_signature"])
const functionKeys = new Set(["name", "arguments"])

const readSeal = (reading: Reading, call: Json, at: string): { readonly seal?: Seal } => {
  const content = field(call, "extra_content")
  const signature = googleSignature(call)
  if (signature === undefined) {
    if (present(content)) note(reading, `${at}.extra_content`, content, true)
    return {}
  }
  // INVARIANT: both are objects, or there were no signature in them.
  noteUnknown(reading, `${at}.extra_content`, content as Json, contentKeys)
  noteUnknown(reading, `${at}.extra_content.google`, field(content, "google") as Json, googleKeys)
  return { seal: sealOf(signature, "generateContent") }
}

const readToolCall = (reading: Reading, call: unknown, at: string): Part | undefined => {
  if (!isObject(call)) return refuse(reading, at, "expected an object")
  const id = aText(reading, `${at}.id`, field(call, "id"))
  if (id === undefined) return undefined
  const called = field(call, "function")
  const type = textAt(call, "type")
  if (type !== undefined && type !== "function") return { _tag: "Foreign", type, value: call, at }
  const name = aText(reading, `${at}.function.name`, field(called, "name"))
  if (name === undefined) return undefined
  noteUnknown(reading, at, call, callKeys)
  noteUnknown(reading, `${at}.function`, called as Json, functionKeys)
  if (type === undefined) asWritten(reading.extras, `${at}.type`, undefined)
  const written = field(called, "arguments")
  if (typeof written !== "string") asWritten(reading.extras, `${at}.function.arguments`, written)
  return {
    _tag: "ToolCall",
    id,
    name,
    arguments: argumentsText(written),
    at,
    ...readSeal(reading, call, at),
    ...cacheOf(reading, call, at)
  }
}

/** Some clients send the arguments as the object that the text should spell. */
const argumentsText = (value: unknown): string => (typeof value === "string" ? value : present(value) ? print(value) : "")

const blockKeys = new Set(["type", "thinking", "signature", "data"])

/**
 * `thinking_blocks` is what `encodeAnswer` writes beside `reasoning_content`, so that signatures survive the way through a client. A block without its text
 * has that of `reasoning`, if it is the only one.
 */
const readThinking = (reading: Reading, blocks: unknown, reasoning: string | undefined, at: string): ReadonlyArray<Part> => {
  if (!Array.isArray(blocks)) {
    refuse(reading, at, "expected a list")
    return []
  }
  const alone = blocks.filter((block) => textAt(block, "type") === "thinking").length === 1
  return blocks.map((block: unknown, index): Part => {
    const where = `${at}[${index}]`
    const type = textAt(block, "type") ?? "thinking_block"
    const data = textAt(block, "data")
    const said = textAt(block, "thinking")
    const signature = textAt(block, "signature")
    const redacted = type === "redacted_thinking" && data !== undefined
    if (!isObject(block) || !(redacted || (type === "thinking" && said !== undefined)))
      return { _tag: "Foreign", type, value: block, at: where }
    noteUnknown(reading, where, block, blockKeys)
    if (redacted) return { _tag: "SealedReasoning", seal: sealOf(data, "messages"), at: where }
    const text = said === "" && alone && reasoning !== undefined ? reasoning : (said ?? "")
    if (text !== said) asWritten(reading.extras, `${where}.thinking`, said)
    if (signature === "") asWritten(reading.extras, `${where}.signature`, signature)
    return {
      _tag: "Reasoning",
      text,
      at: where,
      ...(signature === undefined || signature === "" ? {} : { seal: sealOf(signature, "messages") })
    }
  })
}

const reasoningNames = ["reasoning_content", "reasoning"] as const

/** What the model thought: one of the two names that hosts have for it, or the blocks that say it with its signatures. */
const readReasoning = (reading: Reading, message: Json, at: string): ReadonlyArray<Part> => {
  const blocks = field(message, "thinking_blocks")
  const name = reasoningNames.find((known) => (textAt(message, known) ?? "") !== "")
  const text = name === undefined ? undefined : textAt(message, name)
  for (const other of reasoningNames) {
    const value = field(message, other)
    if (!present(value) || (other === name && name === "reasoning_content" && !present(blocks))) continue
    if (typeof value === "string") asWritten(reading.extras, `${at}.${other}`, value)
    else note(reading, `${at}.${other}`, value, true)
  }
  if (present(blocks)) return readThinking(reading, blocks, text, `${at}.thinking_blocks`)
  if (name === undefined || text === undefined) return []
  if (name === "reasoning") asWritten(reading.extras, `${at}.reasoning_content`, field(message, "reasoning_content") ?? undefined)
  return [{ _tag: "Reasoning", text, at: `${at}.${name}` }]
}

const messageKeys = new Set(["role", "content", "name", "cache_control"])
const assistantKeys = new Set([
  ...messageKeys,
  ...reasoningNames,
  "tool_calls",
  "function_call",
  "refusal",
  "thinking_blocks",
  "annotations",
  "audio"
])
const toolKeys = new Set([...messageKeys, "tool_call_id"])

const readFunctionCall = (reading: Reading, message: Json, at: string, index: number): ReadonlyArray<Part> => {
  const called = field(message, "function_call")
  const name = textAt(called, "name")
  if (name === undefined) {
    if (present(called)) refuse(reading, `${at}.function_call.name`, "expected a string")
    return []
  }
  const id = `call_${index}`
  reading.functionCalls.set(name, id)
  const written = field(called, "arguments")
  noteUnknown(reading, `${at}.function_call`, called as Json, functionKeys)
  if (typeof written !== "string") asWritten(reading.extras, `${at}.function_call.arguments`, written)
  return [{ _tag: "ToolCall", id, name, arguments: argumentsText(written), at: `${at}.function_call` }]
}

const readAssistant = (reading: Reading, message: Json, at: string, index: number): ReadonlyArray<Part> => {
  const thoughts = readReasoning(reading, message, at)
  const parts: Array<Part> = [...readContent(reading, field(message, "content"), `${at}.content`)]
  const refusal = textAt(message, "refusal")
  if (refusal !== undefined && refusal !== "") parts.push({ _tag: "Refusal", text: refusal, at: `${at}.refusal` })
  // What an answer said beside its text; no request needs it again.
  const annotations = field(message, "annotations")
  if (present(annotations)) note(reading, `${at}.annotations`, annotations, false)
  const audio = field(message, "audio")
  if (present(audio)) note(reading, `${at}.audio`, audio, true, "only its provider knows an earlier spoken answer")
  const calls = field(message, "tool_calls")
  if (Array.isArray(calls)) {
    if (calls.length === 0) asWritten(reading.extras, `${at}.tool_calls`, calls)
    for (let position = 0; position < calls.length; position++) {
      const call = readToolCall(reading, calls[position], `${at}.tool_calls[${position}]`)
      if (call !== undefined) parts.push(call)
    }
  } else if (present(calls)) refuse(reading, `${at}.tool_calls`, "expected a list")
  parts.push(...readFunctionCall(reading, message, at, index))
  const signed = new Set(parts.map(signatureOf))
  const sealed = new Map<string, Part>()
  for (const thought of thoughts)
    if (thought._tag === "SealedReasoning" && !sealed.has(thought.seal.data)) sealed.set(thought.seal.data, thought)
  return [
    ...thoughts.filter((thought) => thought._tag !== "SealedReasoning" || !signed.has(thought.seal.data)),
    ...parts.flatMap((part) => unsealed(part, sealed))
  ]
}

const signatureOf = (part: Part): string | undefined => (part._tag === "ToolCall" ? part.seal?.data : undefined)

/**
 * A call's signature that stands among the thoughts as well has come by way of us from a provider of another dialect, and goes before its call. One that stands at the call alone
 * may be of a host of this dialect.
 */
const unsealed = (part: Part, thoughts: ReadonlyMap<string, Part>): ReadonlyArray<Part> => {
  const thought = thoughts.get(signatureOf(part) ?? "")
  if (thought === undefined || part._tag !== "ToolCall") return [part]
  const { seal: _seal, ...call } = part
  return [thought, call]
}

const hinted = new Set<Part["_tag"]>(["Text", "Image", "File", "ToolCall"])

/** The hint of a message is that of its last part. */
const withCache = (reading: Reading, parts: ReadonlyArray<Part>, message: Json, at: string): ReadonlyArray<Part> => {
  const hint = cacheOf(reading, message, at)
  const last = parts.at(-1)
  const control = field(message, "cache_control")
  if (present(control)) asWritten(reading.extras, `${at}.cache_control`, control)
  if (hint.cache === undefined || last === undefined || !hinted.has(last._tag)) return parts
  const place = last.at?.replace(/\.image_url$/, "")
  if (place?.endsWith("]") === true)
    asWritten(reading.extras, `${place}.cache_control`, "cache" in last ? cacheControl(last.cache).cache_control : undefined)
  return [...parts.slice(0, -1), { ...last, ...hint } as Part]
}

const readMessage = (reading: Reading, message: unknown, index: number): Message | undefined => {
  const at = `messages[${index}]`
  if (!isObject(message)) return refuse(reading, at, "expected an object with a `role`")
  const role = textAt(message, "role")
  const given = textAt(message, "name")
  if (given === "") asWritten(reading.extras, `${at}.name`, given)
  const name = given === undefined || given === "" ? {} : { name: given }
  switch (role) {
    case "system":
    case "developer":
    case "user":
      noteUnknown(reading, at, message, messageKeys)
      return { role, at, ...name, parts: withCache(reading, readContent(reading, field(message, "content"), `${at}.content`), message, at) }
    case "assistant":
      noteUnknown(reading, at, message, assistantKeys)
      return { role, at, ...name, parts: withCache(reading, readAssistant(reading, message, at, index), message, at) }
    case "tool": {
      noteUnknown(reading, at, message, toolKeys)
      const callId = aText(reading, `${at}.tool_call_id`, field(message, "tool_call_id"))
      if (callId === undefined) return undefined
      const parts = readContent(reading, field(message, "content"), `${at}.content`)
      return { role, at, parts: [{ _tag: "ToolResult", callId, ...name, parts, at, ...cacheOf(reading, message, at) }] }
    }
    case "function": {
      noteUnknown(reading, at, message, messageKeys)
      const callId = reading.functionCalls.get(given ?? "")
      if (callId === undefined || given === undefined)
        return refuse(reading, `${at}.name`, "expected the name of a function that was called before")
      asWritten(reading.extras, `${at}.role`, role)
      asWritten(reading.extras, `${at}.tool_call_id`, undefined)
      const parts = readContent(reading, field(message, "content"), `${at}.content`)
      return { role: "tool", at, parts: [{ _tag: "ToolResult", callId, name: given, parts, at, ...cacheOf(reading, message, at) }] }
    }
    default:
      return refuse(reading, `${at}.role`, "expected `system`, `developer`, `user`, `assistant` or `tool`")
  }
}

/** Keeps whole entries of lists, before what was noted since `from`: those of later entries count on their being there. Nothing is noted of the entries' own fields. */
const noteWhole = (
  reading: Reading,
  from: number,
  entries: ReadonlyArray<readonly [at: string, value: unknown]>,
  matters: boolean
): void => {
  const { extras } = reading
  const taken = new Set(entries.map(([at]) => at))
  // A field of an entry lies behind its path: `messages[0].content[1].foo`, or where the entry is a message `messages[0].foo`.
  const isTaken = (field: string): boolean => {
    const first = field.indexOf(".")
    if (first < 0 || taken.has(field.slice(0, first))) return first >= 0
    const second = field.indexOf(".", first + 1)
    return second >= 0 && taken.has(field.slice(0, second))
  }
  const others = extras.splice(from).filter(({ field }) => !isTaken(field))
  for (const [at, value] of entries) note(reading, at, value, matters, "only text can be an instruction")
  addAll(extras, others)
}

/** What one of the first messages instructs. */
const readInstructions = (
  reading: Reading,
  { at, name, parts, role }: Message,
  said: unknown,
  from: number
): ReadonlyArray<Instruction> => {
  if (parts.every((part) => part._tag !== "Text")) {
    noteWhole(reading, from, [[at, said]], parts.length > 0)
    return []
  }
  const content = listAt(said, "content")
  const others = parts.flatMap((part, index) => (part._tag === "Text" ? [] : [[`${at}.content[${index}]`, content[index]] as const]))
  if (others.length > 0) noteWhole(reading, from, others, true)
  if (name !== undefined) note(reading, `${at}.name`, name, true)
  return parts.flatMap((part): ReadonlyArray<Instruction> => {
    if (part._tag !== "Text") return []
    const { cache, text, at: where = at } = part
    return [{ role: role === "developer" ? role : "system", text, at: where, ...(cache === undefined ? {} : { cache }) }]
  })
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
    const from = reading.extras.length
    const message = readMessage(reading, list[index], index)
    if (message === undefined) break
    if ((message.role === "system" || message.role === "developer") && messages.length === 0)
      addAll(system, readInstructions(reading, message, list[index], from))
    else messages.push(message)
  }
  return { system, messages }
}
