/**
 * The messages of a Chat Completions request, encoded.
 *
 * A caller of the same dialect gets each message as it was: one for one, each part in the field or the list that it stood in. For all others what an assistant said at a
 * stretch is one message, results of tools are messages of their own right behind their calls whatever else the caller has said between, and:
 *
 * - A tool's message holds text alone, so an image in a result goes into a user message behind the results of all calls of a turn, and that is reported.
 * - A plain text that is given as a document is sent as text: every host reads that.
 * - Earlier thinking is sent to the host that signed it, and to nobody else.
 */
import type { Instruction, Message, Part, Seal, Text } from "../../../Conversation.ts"
import { addAll } from "../../extras.ts"
import { isObject, type Json } from "../../json.ts"
import { citationsAt } from "../../paths.ts"
import { answeredInstead, goesOn, joined } from "../../turns.ts"
import { urlOf } from "../media.ts"
import { cacheControl } from "../reading.ts"
import { googleContent, sealedFields } from "../seals.ts"
import { isOlder, lose, type Writing } from "./settings.ts"

type Body = Record<string, unknown>

const audioFormats: Readonly<Record<string, string>> = {
  "audio/wav": "wav",
  "audio/x-wav": "wav",
  "audio/wave": "wav",
  "audio/mpeg": "mp3",
  "audio/mp3": "mp3"
}

const fileOf = (writing: Writing, part: Extract<Part, { readonly _tag: "File" }>): Body | undefined => {
  const at = part.at ?? "messages"
  const { own } = writing
  const { source } = part
  const name = part.name === undefined ? {} : { filename: part.name }
  switch (source._tag) {
    case "Plain":
      if (part.name !== undefined) lose(writing, at, "a plain text is sent without its title")
      return { type: "text", text: source.text }
    case "Uploaded":
      return own
        ? { type: "file", file: { ...name, file_id: source.id } }
        : lose(writing, at, "a file that was uploaded to another provider cannot be read")
    case "Url":
      if (own) return { type: "file", file: { ...name, file_data: source.url } }
      if (source.mediaType?.startsWith("image/") === true) return { type: "image_url", image_url: { url: source.url } }
      return lose(writing, at, "Chat Completions takes a file whole, not by its URL")
    case "Base64": {
      if (!own && source.mediaType.startsWith("image/")) return { type: "image_url", image_url: { url: urlOf(source) } }
      const format = own ? undefined : audioFormats[source.mediaType]
      if (format !== undefined) return { type: "input_audio", input_audio: { data: source.data, format } }
      if (!own && /^(?:audio|video)\//.test(source.mediaType)) return lose(writing, at, `Chat Completions takes no \`${source.mediaType}\``)
      return { type: "file", file: { ...name, file_data: urlOf(source) } }
    }
  }
}

/** A part of a message's content. */
const partOf = (writing: Writing, part: Part): Body | undefined => {
  const { own } = writing
  const at = part.at ?? "messages"
  switch (part._tag) {
    case "Text":
      return { type: "text", text: part.text, ...(own ? cacheControl(part.cache) : {}) }
    case "Image": {
      const url = urlOf(part.source)
      if (url === undefined) return lose(writing, at, "an image that was uploaded to another provider cannot be read")
      const image = { type: "image_url", image_url: part.detail === undefined ? { url } : { url, detail: part.detail } }
      return own ? { ...image, ...cacheControl(part.cache) } : image
    }
    case "File": {
      if (!own && part.cite === true) lose(writing, `${at}.citations`, "Chat Completions does not cite what is sent with a message")
      const file = fileOf(writing, part)
      return file === undefined || !own ? file : { ...file, ...cacheControl(part.cache) }
    }
    case "Audio":
      return { type: "input_audio", input_audio: { data: part.data, format: part.format } }
    case "Refusal":
      return { type: "refusal", refusal: part.text }
    case "Foreign":
      return own && isObject(part.value) ? part.value : lose(writing, at, `\`${part.type}\` has no place in Chat Completions`)
    case "Reasoning":
    case "SealedReasoning":
    case "ToolCall":
    case "ToolResult":
      return undefined
  }
}

/** A lone text is a string, unless its caller wrote a list. */
const contentOf = (writing: Writing, parts: ReadonlyArray<Part>): string | ReadonlyArray<Body> | null => {
  const [only] = parts
  if (parts.length === 1 && only?._tag === "Text" && !(writing.own && only.at?.endsWith("]") === true)) return only.text
  const encoded = parts.flatMap((part): ReadonlyArray<Body> => {
    const body = partOf(writing, part)
    return body === undefined ? [] : [body]
  })
  return encoded.length === 0 ? null : encoded
}

/** The message, and the list that its path ends with: `messages[2].content[0]` is of `messages[2]`. */
const messageAt = (at: string): string => at.slice(0, at.indexOf("]") + 1)

/** The instructions of a caller of the same dialect, each message as it was. */
const ownInstructions = (writing: Writing): ReadonlyArray<Body> => {
  const groups: Array<Array<Instruction>> = []
  for (const instruction of writing.conversation.system) {
    const last = groups.at(-1)
    if (last !== undefined && instruction.at.endsWith("]") && messageAt(last[0]!.at) === messageAt(instruction.at)) last.push(instruction)
    else groups.push([instruction])
  }
  return groups.map((group) => ({
    role: group[0]!.role,
    content: contentOf(
      writing,
      group.map(({ role: _role, ...rest }): Text => ({ _tag: "Text", ...rest }))
    )
  }))
}

/** A host's seal is the fields that it wants back; a list of them goes on with what is there. */
const giveBack = (body: Body, seal: Seal): void => {
  for (const [key, value] of Object.entries(sealedFields(seal))) {
    const before = body[key]
    if (key !== "__proto__")
      body[key] = Array.isArray(before) && Array.isArray(value) ? [...(before as Array<unknown>), ...(value as Array<unknown>)] : value
  }
}

/** What one of this dialect's hosts can read of a seal. */
const isReadable = ({ dialect }: Seal): boolean => dialect === "messages"

const ownThoughts = (writing: Writing, parts: ReadonlyArray<Part>): Body => {
  const body: Body = {}
  const blocks: Array<unknown> = []
  for (const part of parts) {
    const at = part.at ?? ""
    if (part._tag === "Foreign") {
      if (at.includes(".thinking_blocks[")) blocks.push(part.value)
    } else if (part._tag === "SealedReasoning" || (part._tag === "Reasoning" && at.includes(".thinking_blocks["))) {
      const { seal } = part
      if (seal !== undefined && !isReadable(seal)) {
        if (seal.dialect === "chat.completions") giveBack(body, seal)
        else lose(writing, at, "only the provider that sealed this reasoning can read it")
      } else if (part._tag === "Reasoning") {
        blocks.push({ type: "thinking", thinking: part.text, ...(seal === undefined ? {} : { signature: seal.data }) })
      } else blocks.push({ type: "redacted_thinking", data: part.seal.data })
    } else if (part._tag === "Reasoning") body["reasoning_content"] = part.text
  }
  if (blocks.length > 0) body["thinking_blocks"] = blocks
  return body
}

const callOf = (part: Extract<Part, { readonly _tag: "ToolCall" }>): Body => ({
  id: part.id,
  type: "function",
  function: { name: part.name, arguments: part.arguments }
})

const ownCalls = (parts: ReadonlyArray<Part>): Body => {
  const body: Body = {}
  const calls: Array<unknown> = []
  for (const part of parts) {
    if (part._tag === "Foreign" && part.at?.includes(".tool_calls[") === true) calls.push(part.value)
    if (part._tag !== "ToolCall") continue
    if (part.at?.endsWith(".function_call") === true) body["function_call"] = { name: part.name, arguments: part.arguments }
    else {
      const seal = part.seal?.dialect === "generateContent" ? googleContent(part.seal.data) : {}
      calls.push({ ...callOf(part), ...seal, ...cacheControl(part.cache) })
    }
  }
  if (calls.length > 0) body["tool_calls"] = calls
  return body
}

const inContent = ({ _tag, at = "" }: Part): boolean =>
  _tag === "Refusal" ? at.includes(".content[") : _tag !== "Foreign" || at.includes(".content[")

const ownMessage = (writing: Writing, { name, parts, role }: Message): Body => {
  const [first] = parts
  if (first?._tag === "ToolResult") {
    const called = first.name === undefined ? {} : { name: first.name }
    return { role, tool_call_id: first.callId, ...called, content: contentOf(writing, first.parts), ...cacheControl(first.cache) }
  }
  const refusal = parts.find((part) => part._tag === "Refusal" && !inContent(part))
  const said = parts.filter(
    (part) => inContent(part) && part._tag !== "Reasoning" && part._tag !== "SealedReasoning" && part._tag !== "ToolCall"
  )
  return {
    role,
    ...(name === undefined ? {} : { name }),
    content: contentOf(writing, said),
    ...(refusal?._tag === "Refusal" ? { refusal: refusal.text } : {}),
    ...ownThoughts(writing, parts),
    ...ownCalls(parts)
  }
}

/** What OpenAI takes ("string too long. Expected a string with maximum length 40"). */
const longestId = 40

/** Ids for calls that have none, given to their results by the function's name and in the order of the calls; and shorter ones for those whose ids are too long. */
interface Ids {
  readonly ofCall: (id: string, name: string) => string
  readonly ofResult: (id: string, name: string | undefined) => string
}

/** `exact` is how many letters and digits an id must have, where the host takes no other. */
const newIds = (exact: number | undefined): Ids => {
  const open: Array<{ readonly id: string; readonly name: string }> = []
  let count = 0
  const made = (): string => (exact === undefined ? `call_${count++}` : `n${String(count++).padStart(exact - 1, "0")}`)
  const short = new Map<string, string>()
  const isTaken = (id: string): boolean => (exact === undefined ? id.length <= longestId : id.length === exact && /^[a-z0-9]+$/i.test(id))
  const shortened = (id: string): string => {
    if (isTaken(id)) return id
    const known = short.get(id) ?? (exact === undefined ? `call_long_${short.size}` : `c${String(short.size).padStart(exact - 1, "0")}`)
    short.set(id, known)
    return known
  }
  return {
    ofCall: (id, name) => {
      if (id !== "") return shortened(id)
      const one = { id: made(), name }
      open.push(one)
      return one.id
    },
    ofResult: (id, name) => {
      if (id !== "") return shortened(id)
      const at = open.findIndex((one) => name === undefined || one.name === name)
      return at < 0 ? made() : open.splice(at, 1)[0]!.id
    }
  }
}

/** What of a result a tool's message cannot hold. */
const pictured = (part: Part): boolean => part._tag === "Image" || part._tag === "File" || part._tag === "Audio"

const resultOf = (writing: Writing, ids: Ids, part: Extract<Part, { readonly _tag: "ToolResult" }>, moved: Array<Part>): Body => {
  const spoken = part.parts.filter((one) => !pictured(one))
  for (const one of part.parts) {
    if (!pictured(one)) continue
    moved.push(one)
    lose(writing, one.at ?? part.at ?? "messages", "a tool's message holds text alone, so this is sent in a user message behind it")
  }
  // An object says by itself what it is, but one that wraps nothing but words is sent as these.
  if (part.isError === true && (part.object === undefined || typeof part.object["error"] === "string")) {
    const field = writing.conversation.dialect === "messages" ? ".is_error" : ""
    lose(writing, `${part.at ?? "messages"}${field}`, "a tool's failure can only be told in words")
  }
  return { role: "tool", tool_call_id: ids.ofResult(part.callId, part.name), content: contentOf(writing, spoken) ?? "" }
}

/** Gives a call's signature back to the host that signed it. */
const sealOfCall = (writing: Writing, { at, seal }: Extract<Part, { readonly _tag: "ToolCall" }>): Json => {
  if (seal === undefined) return {}
  if (seal.dialect === "chat.completions") return sealedFields(seal)
  lose(writing, at ?? "messages", "only the provider that sealed this call can read its signature")
  return {}
}

/** Whether a host has sealed a tool call with this, rather than a message: of a call's own fields only `extra_content` is one. */
const isOfCall = (seal: Seal): boolean => {
  const keys = Object.keys(sealedFields(seal))
  return keys.length === 1 && keys[0] === "extra_content"
}

const foreignMessage = (writing: Writing, ids: Ids, message: Message): ReadonlyArray<Body> => {
  const results: Array<Body> = []
  const moved: Array<Part> = []
  const calls: Array<Body> = []
  const rest: Array<Part> = []
  const thoughts: Body = {}
  /** The seal of the next call, from a caller whose dialect has no place for it but before the call. */
  let ahead: Seal | undefined
  for (const [index, part] of message.parts.entries()) {
    const next = message.parts[index + 1]
    if (part._tag === "ToolResult") results.push(resultOf(writing, ids, part, moved))
    else if (part._tag === "ToolCall") {
      const signed = ahead === undefined ? part : { ...part, seal: ahead }
      ahead = undefined
      calls.push({ ...callOf({ ...part, id: ids.ofCall(part.id, part.name) }), ...sealOfCall(writing, signed) })
    } else if (part._tag === "SealedReasoning" && next?._tag === "ToolCall" && next.seal === undefined && isOfCall(part.seal)) {
      ahead = part.seal
    } else if (part._tag === "Reasoning" || part._tag === "SealedReasoning") {
      if (part.seal?.dialect === "chat.completions") giveBack(thoughts, part.seal)
      else lose(writing, part.at ?? message.at, "earlier reasoning is not read by this provider")
    } else {
      rest.push(part)
      if (part._tag !== "Text") continue
      const at = part.at ?? message.at
      if (part.seal !== undefined) lose(writing, at, "only the provider that sealed this text can read its signature")
      if (part.citations !== undefined && part.citations.length > 0)
        lose(writing, citationsAt(writing.conversation.dialect, at), "sources of an earlier answer are not read again")
    }
  }
  const said = [...moved, ...rest]
  if (message.role === "tool" || (results.length > 0 && said.length === 0)) {
    const beside = contentOf(writing, said)
    return beside === null ? results : [...results, { role: "user", content: beside }]
  }
  const content = contentOf(writing, said)
  if (content === null && calls.length === 0 && message.parts.length > 0) return results
  const role = message.role === "developer" && isOlder(writing) ? "system" : message.role
  return [
    ...results,
    {
      role,
      ...(message.name === undefined ? {} : { name: message.name }),
      content: content ?? (calls.length > 0 ? null : ""),
      ...thoughts,
      ...(calls.length > 0 ? { tool_calls: calls } : {})
    }
  ]
}

/**
 * The messages with the results of an assistant's calls right behind them, and what stood between behind the last: the API refuses it there ("An assistant message with 'tool_calls' must be followed by
 * tool messages responding to each 'tool_call_id'").
 */
const ordered = (messages: ReadonlyArray<Body>): ReadonlyArray<Body> => {
  const all: Array<Body> = []
  const open = new Set<unknown>()
  let waiting: Array<Body> = []
  const release = (): void => {
    addAll(all, waiting)
    waiting = []
  }
  for (const message of messages) {
    const { role, tool_call_id: id, tool_calls: calls } = message
    if (role === "tool") {
      all.push(message)
      open.delete(id)
      if (open.size === 0) release()
    } else if (role === "assistant") {
      release()
      all.push(message)
      open.clear()
      if (Array.isArray(calls)) for (const call of calls as ReadonlyArray<Body>) open.add(call["id"])
    } else if (open.size === 0) all.push(message)
    else waiting.push(message)
  }
  release()
  return all
}

/** Encodes the instructions and the messages. */
export const messagesOf = (writing: Writing): ReadonlyArray<Body> => {
  const { messages, system } = writing.conversation
  if (writing.own) return [...ownInstructions(writing), ...messages.map((message) => ownMessage(writing, message))]
  const last = messages.at(-1)
  if (last?.role === "assistant" && goesOn(writing.conversation.dialect)) lose(writing, last.at, answeredInstead)
  const ids = newIds(writing.target.habits?.callIdLength)
  return [
    ...system.map((instruction): Body => ({ role: isOlder(writing) ? "system" : instruction.role, content: instruction.text })),
    ...ordered(joined(messages).flatMap((message) => foreignMessage(writing, ids, message)))
  ]
}
