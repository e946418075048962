/**
 * The messages of a Messages request: turns, blocks, and where instructions go.
 */
import type { File, Image, Instruction, Message, Part, Seal, Source, ToolResult } from "../../Conversation.ts"
import { addAll } from "../extras.ts"
import { isObject, parse, parseExact, print } from "../json.ts"
import type { Json } from "../json.ts"
import { citationsAt } from "../paths.ts"
import { answering, continuedInstead, gathered, goesOn, joined } from "../turns.ts"
import { idOfCall, idOfResult } from "./calls.ts"
import { blank, cacheControl, lose } from "./writing.ts"
import type { Body, Writing } from "./writing.ts"

/** What one side says at a stretch. */
export interface Turn {
  readonly role: "user" | "assistant" | "system"
  readonly content: Array<Body>
}

const imageTypes = new Set(["image/jpeg", "image/png", "image/gif", "image/webp"])

const isWebUrl = (url: string): boolean => /^https?:\/\//i.test(url)

/** The bytes of `base64` as text; not every character set survives, but text files are UTF-8 or plain. */
const decodeText = (base64: string): string | undefined => {
  const clean = base64.replace(/\s+/g, "")
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(clean) || clean.replace(/=+$/, "").length % 4 === 1) return undefined
  return new TextDecoder().decode(Uint8Array.from(atob(clean), (character) => character.charCodeAt(0)))
}

/** Media types of text that do not say so. */
const textual = /^text\/|^application\/(?:[\w.-]+\+)?(?:json|xml|yaml|x-yaml|javascript|x-ndjson)$/

/** What is read of a source at a URL: a picture, a PDF, or nothing. */
const urlBlock = (source: Source & { readonly _tag: "Url" }, picture: boolean): Body | undefined => {
  const mediaType = source.mediaType?.toLowerCase()
  const url = { type: "url", url: source.url }
  if (mediaType === undefined || mediaType.endsWith("/*")) return { type: picture ? "image" : "document", source: url }
  if (imageTypes.has(jpeg(mediaType))) return { type: "image", source: url }
  return mediaType === "application/pdf" ? { type: "document", source: url } : undefined
}

const jpeg = (mediaType: string): string => (mediaType === "image/jpg" ? "image/jpeg" : mediaType)

const sourceBlock = (writing: Writing, source: Source, picture: boolean, at: string): Body | undefined => {
  switch (source._tag) {
    case "Uploaded":
      return lose(writing, at, "a file that was uploaded to another provider cannot be read")
    case "Url":
      if (!isWebUrl(source.url)) return lose(writing, at, "only http and https URLs can be read")
      return urlBlock(source, picture) ?? lose(writing, at, `\`${source.mediaType}\` is not a media type that Claude reads from a URL`)
    case "Plain":
      if (blank(source.text)) return lose(writing, at, "a document needs visible text")
      return { type: "document", source: { type: "text", media_type: "text/plain", data: source.text } }
    case "Base64": {
      const { data } = source
      const mediaType = jpeg(source.mediaType.toLowerCase())
      if (imageTypes.has(mediaType)) return { type: "image", source: { type: "base64", media_type: mediaType, data } }
      if (mediaType === "application/pdf") return { type: "document", source: { type: "base64", media_type: mediaType, data } }
      const text = !picture && textual.test(mediaType) ? decodeText(data) : undefined
      if (text !== undefined && !blank(text)) return { type: "document", source: { type: "text", media_type: "text/plain", data: text } }
      return lose(writing, at, `\`${source.mediaType}\` is not a media type that Claude reads`)
    }
  }
}

const mediaBlock = (writing: Writing, part: Image | File, at: string): Body | undefined => {
  const block = sourceBlock(writing, part.source, part._tag === "Image", at)
  if (block === undefined || part._tag === "Image" || block["type"] !== "document") return block
  return {
    ...block,
    ...(part.name === undefined ? {} : { title: part.name }),
    ...(part.cite === true ? { citations: { enabled: true } } : {})
  }
}

const inputOf = (writing: Writing, text: string, at: string): Json => {
  if (blank(text)) return {}
  // Reading with care ends sooner in what is nested deeply.
  const value = parseExact(text) ?? parse(text)
  if (isObject(value)) return value
  lose(writing, at, "the arguments of this call are not a JSON object, so they are sent as the text of one")
  return { arguments: text }
}

const resultContent = (writing: Writing, { object, parts }: ToolResult, at: string): Body => {
  const only = parts.length === 1 ? parts[0] : undefined
  if (only?._tag === "Text" && only.cache === undefined) return blank(only.text) ? {} : { content: only.text }
  const content = parts.flatMap((part) => blocksOf(writing, part, "user", at))
  if (parts.length === 0 && object !== undefined) return { content: print(object) }
  return content.length === 0 ? {} : { content }
}

/** Whether Claude has sealed something; an empty seal marks what nobody has (`nobodys` in `seal.ts`), and Claude refuses it. */
const isClaudes = (seal: Seal | undefined): seal is Seal => seal?.dialect === "messages" && seal.data !== ""

/**
 * What Claude sealed, before the part that now carries the seal: its own place is a block. Any other provider's seal is lost.
 */
const sealed = (writing: Writing, seal: Seal | undefined, at: string): ReadonlyArray<Body> => {
  if (seal === undefined) return []
  if (isClaudes(seal)) return [{ type: "redacted_thinking", data: seal.data }]
  lose(writing, at, "only the provider that sealed this can read its seal")
  return []
}

/** `around` is where the part lies, for parts that do not say it. */
const blocksOf = (writing: Writing, part: Part, role: "user" | "assistant", around: string): ReadonlyArray<Body> => {
  const at = part.at ?? around
  const one = (block: Body | undefined): ReadonlyArray<Body> => (block === undefined ? [] : [block])
  switch (part._tag) {
    case "Text": {
      const seal = sealed(writing, part.seal, at)
      if (blank(part.text)) return seal
      if (part.citations !== undefined && part.citations.length > 0)
        lose(writing, citationsAt(writing.conversation.dialect, at), "only sources that Claude found itself can be named again")
      return [...seal, { type: "text", text: part.text, ...cacheControl(part.cache) }]
    }
    case "Refusal":
      if (blank(part.text)) return []
      lose(writing, at, "an earlier refusal is sent as ordinary text")
      return [{ type: "text", text: part.text }]
    case "Image":
    case "File": {
      if (role === "assistant") return one(lose(writing, at, "an assistant message holds no such content"))
      if (part._tag === "Image" && (part.detail === "low" || part.detail === "original")) {
        lose(writing, `${at}.detail`, "Claude chooses the resolution by itself")
      }
      const block = mediaBlock(writing, part, at)
      return one(block && { ...block, ...cacheControl(part.cache) })
    }
    case "Audio":
      return one(lose(writing, at, "Claude does not listen to audio"))
    case "ToolCall":
      return [
        ...sealed(writing, part.seal, at),
        {
          type: "tool_use",
          id: idOfCall(writing.calls, part.id, part.name),
          name: part.name,
          input: inputOf(writing, part.arguments, at),
          ...cacheControl(part.cache)
        }
      ]
    case "ToolResult": {
      const id = idOfResult(writing.calls, part.callId, part.name)
      if (id === undefined) return one(lose(writing, at, "the call that this is a result of has one already"))
      return [
        {
          type: "tool_result",
          tool_use_id: id,
          ...resultContent(writing, part, at),
          ...(part.isError === true ? { is_error: true } : {}),
          ...cacheControl(part.cache)
        }
      ]
    }
    case "Reasoning":
      if (!isClaudes(part.seal)) return one(lose(writing, at, "earlier reasoning without a signature of Claude is not accepted"))
      return [{ type: "thinking", thinking: part.text, signature: part.seal.data }]
    case "SealedReasoning":
      if (!isClaudes(part.seal)) return one(lose(writing, at, "only the provider that sealed this reasoning can read it"))
      return [{ type: "redacted_thinking", data: part.seal.data }]
    case "Foreign":
      return one(lose(writing, at, `\`${part.type}\` has no place in a Messages request`))
  }
}

const instructionBlock = (instruction: Pick<Instruction, "text" | "cache">): Body => ({
  type: "text",
  text: instruction.text,
  ...cacheControl(instruction.cache)
})

interface Pending {
  readonly instruction: Instruction
  moved: boolean
}

const instructionsIn = (writing: Writing, message: Message): ReadonlyArray<Instruction> =>
  message.parts.flatMap((part) => {
    const at = part.at ?? message.at
    if (part._tag !== "Text") {
      lose(writing, at, "only text can be an instruction")
      return []
    }
    if (blank(part.text)) return []
    return [{ role: "system", text: part.text, at, ...(part.cache === undefined ? {} : { cache: part.cache }) }]
  })

const append = (turns: Array<Turn>, role: Turn["role"], blocks: ReadonlyArray<Body>): void => {
  const last = turns.at(-1)
  if (last?.role === role) addAll(last.content, blocks)
  else turns.push({ role, content: [...blocks] })
}

const turnsOf = (writing: Writing): { readonly system: ReadonlyArray<Instruction>; readonly turns: ReadonlyArray<Turn> } => {
  const { conversation, traits } = writing
  const system = conversation.system.filter((instruction) => !blank(instruction.text))
  const turns: Array<Turn> = []
  let pending: Array<Pending> = []
  const hoist = (instruction: Instruction): void => {
    system.push(instruction)
    lose(writing, instruction.at, "this instruction is moved before the conversation: the model takes none in this place")
  }
  const flush = (): void => {
    if (turns.at(-1)?.role === "user") {
      for (const { instruction, moved } of pending) {
        if (moved) lose(writing, instruction.at, "this instruction is moved behind the user's next message")
      }
      if (pending.length > 0) turns.push({ role: "system", content: pending.map(({ instruction }) => instructionBlock(instruction)) })
    } else pending.forEach(({ instruction }) => hoist(instruction))
    pending = []
  }
  const messages = answering(conversation.messages, (at, reason) => lose(writing, at, reason))
  for (const message of joined(messages)) {
    if (message.name !== undefined) lose(writing, `${message.at}.name`, "Claude does not tell participants of one role apart")
    if (message.role === "system" || message.role === "developer") {
      const instructions = instructionsIn(writing, message)
      if (traits.laterSystem) for (const instruction of instructions) pending.push({ instruction, moved: false })
      else instructions.forEach(hoist)
      continue
    }
    const role = message.role === "assistant" ? "assistant" : "user"
    const before = writing.losses.length
    const blocks = gathered(message.parts, "messages").flatMap((part) => blocksOf(writing, part, role, message.at))
    if (blocks.length === 0) {
      if (writing.losses.length === before) lose(writing, message.at, "a message without content is left out")
      continue
    }
    if (role === "assistant") flush()
    else for (const waiting of pending) waiting.moved = true
    append(turns, role, blocks)
  }
  flush()
  return { system, turns: turns.map(arranged) }
}

/** Results of tools come first in their turn, as the API demands. */
const arranged = (turn: Turn): Turn => {
  if (turn.role !== "user" || !turn.content.some((block) => block["type"] === "tool_result")) return turn
  const isResult = (block: Body): boolean => block["type"] === "tool_result"
  return { role: "user", content: [...turn.content.filter(isResult), ...turn.content.filter((block) => !isResult(block))] }
}

/** A lone text is sent as a string, which says the same. */
const contentOf = (blocks: ReadonlyArray<Body>): unknown => {
  const only = blocks.length === 1 ? blocks[0] : undefined
  return only?.["type"] === "text" && only["cache_control"] === undefined ? only["text"] : blocks
}

/** Writes `system` and `messages`, and returns the turns. */
export const writeMessages = (writing: Writing, body: Body): ReadonlyArray<Turn> => {
  const { system, turns } = turnsOf(writing)
  const last = system.at(-1)
  const spoken = turns.length === 0 && last !== undefined
  if (spoken) lose(writing, last.at, "a conversation needs a message, so this instruction is sent as the user's")
  const instructions = spoken ? system.slice(0, -1) : system
  const all: ReadonlyArray<Turn> = spoken ? [{ role: "user", content: [instructionBlock(last)] }] : turns
  if (instructions.length > 0) body["system"] = contentOf(instructions.map(instructionBlock))
  const closing = all.at(-1)
  if (closing?.role === "assistant") {
    const message = writing.conversation.messages.at(-1)?.at ?? "messages"
    if (writing.traits.prefill) {
      const going = goesOn(writing.conversation.dialect)
      if (!going) lose(writing, message, continuedInstead)
      const last = closing.content.at(-1)
      if (last?.["type"] === "text" && typeof last["text"] === "string") {
        const text = last["text"].trimEnd()
        if (going && text !== last["text"])
          lose(writing, message, "Claude continues no text that ends with white space, so that is left out")
        last["text"] = text
      }
    } else lose(writing, message, "this model refuses a conversation that ends with the assistant")
  }
  body["messages"] = all.map(({ content, role }) => ({ role, content: contentOf(content) }))
  return all
}
