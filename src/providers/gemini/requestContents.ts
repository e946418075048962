/**
 * The contents of a generateContent request, written.
 *
 * For a caller of another dialect the turns of user and model alternate: results of tools and what the user says are one turn, the results first and in the order of their calls, since the
 * API wants all results of parallel calls together. A result needs its function's name, which is looked up by the call's id. It is an object: what the caller gave as one, JSON that spells
 * one, else `{"result": text}`, or `{"error": text}` for a failure (ai.google.dev, "Function calling", `FunctionResponse`).
 *
 * **Signatures.** What Gemini sealed goes back on the part that it signed. From Gemini 3 on the first call of each step is refused without one; a call of another model, which has
 * none, gets the text that the provider documents for this ("Thought signatures").
 *
 * For a caller of this dialect every content and part keeps its place, so that what was noted by its path can be put back; what falls away is marked and taken out at the end.
 */
import type { Conversation, Message, Part, Seal, Source, ToolCall, ToolResult } from "../../Conversation.ts"
import type { Loss } from "../../Dialect.ts"
import { addAll } from "../extras.ts"
import { isObject, parseExact } from "../json.ts"
import { citationsAt, nameAt } from "../paths.ts"
import { joined } from "../turns.ts"
import { endingOf } from "./contents.ts"
import type { Traits } from "./models.ts"
import { audioType, unsigned } from "./part.ts"

export type Body = Record<string, unknown>

/** What the writers of a request share. */
export interface Writing {
  readonly conversation: Conversation
  /** The caller speaks this dialect. */
  readonly own: boolean
  readonly traits: Traits
  /** Whether calls and results carry ids. */
  readonly callIds: boolean
  readonly losses: Array<Loss>
  /** Fields that the caller's own request does not have, as far as it was noted. */
  readonly absent: ReadonlySet<string>
  /** The names of functions by the ids of their calls. */
  readonly names: Map<string, string>
}

/** Reports what cannot be said. */
export const lose = (writing: Writing, field: string, reason: string): undefined => {
  writing.losses.push({ field, reason })
  return undefined
}

/** Stands in place of a part that falls away until everything is in its place. */
class Fallen {
  readonly [name: string]: unknown
}

const pictures = new Set(["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"])
const readable = /^(?:text|video|audio)\/|^application\/pdf$/
/** Texts by another name, which are read as plain text. */
const textual = /^application\/(?:json|xml|x-?javascript|javascript|x-python|yaml|x-yaml|toml|sql|x-sh|rtf)$/

const endings: Readonly<Record<string, string>> = {
  png: "image/png",
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  webp: "image/webp",
  heic: "image/heic",
  heif: "image/heif",
  gif: "image/gif",
  pdf: "application/pdf",
  txt: "text/plain",
  md: "text/plain",
  csv: "text/csv",
  html: "text/html",
  xml: "text/xml",
  json: "application/json",
  mp3: "audio/mp3",
  wav: "audio/wav",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  mov: "video/quicktime",
  webm: "video/webm"
}

/** The media type by which Gemini reads something; undefined where it does not. */
const mediaType = (given: string): string | undefined => {
  const type = given.split(";")[0]!.trim().toLowerCase()
  if (type === "image/jpg") return "image/jpeg"
  if (pictures.has(type) || readable.test(type)) return type
  return textual.test(type) ? "text/plain" : undefined
}

/** Base64 of a text's UTF-8. */
const base64 = (text: string): string => {
  const bytes = new TextEncoder().encode(text)
  let binary = ""
  for (let at = 0; at < bytes.length; at += 8192) binary += String.fromCharCode(...bytes.subarray(at, at + 8192))
  return btoa(binary)
}

const unreadable = (type: string): string => `\`${type}\` is not a media type that Gemini reads`

/** A picture or a file; undefined where it cannot be sent, with why. */
const media = (writing: Writing, source: Source, at: string, name: string | undefined): Body | undefined => {
  if (writing.own) return ownMedia(source, name)
  switch (source._tag) {
    case "Plain":
      return { inlineData: { mimeType: "text/plain", data: base64(source.text) } }
    case "Uploaded":
      return lose(writing, at, "a file that was uploaded to another provider cannot be read")
    case "Base64": {
      const mimeType = mediaType(source.mediaType)
      return mimeType === undefined ? lose(writing, at, unreadable(source.mediaType)) : { inlineData: { mimeType, data: source.data } }
    }
    case "Url": {
      if (!/^https?:\/\//i.test(source.url)) return lose(writing, at, "only http and https URLs can be read")
      if (!writing.traits.urls) return lose(writing, at, "this model reads no URLs")
      const ending = endingOf(source.url)
      const given = source.mediaType ?? (Object.hasOwn(endings, ending) ? endings[ending] : undefined)
      if (given === undefined) return lose(writing, at, "a URL needs a media type, and its ending tells none")
      const mimeType = mediaType(given)
      return mimeType === undefined ? lose(writing, at, unreadable(given)) : { fileData: { mimeType, fileUri: source.url } }
    }
  }
}

const ownMedia = (source: Source, name: string | undefined): Body => {
  const displayName = name === undefined ? {} : { displayName: name }
  switch (source._tag) {
    case "Plain":
      return { inlineData: { mimeType: "text/plain", data: base64(source.text), ...displayName } }
    case "Base64":
      return { inlineData: { mimeType: source.mediaType, data: source.data, ...displayName } }
    case "Url":
    case "Uploaded": {
      const type = source.mediaType === undefined ? {} : { mimeType: source.mediaType }
      return { fileData: { ...type, fileUri: source._tag === "Url" ? source.url : source.id, ...displayName } }
    }
  }
}

/** A part that holds bytes or says where they are. */
const mediaPart = (writing: Writing, part: Part, place: string): Body | undefined => {
  const at = part.at ?? place
  switch (part._tag) {
    case "Image":
      if (!writing.own && (part.detail === "low" || part.detail === "original"))
        lose(writing, `${at}.detail`, "Gemini takes one resolution for all pictures")
      return media(writing, part.source, at, undefined)
    case "File": {
      if (part.cite === true) lose(writing, `${at}.citations`, "Gemini does not cite documents")
      const found = media(writing, part.source, at, part.name)
      if (found !== undefined && part.name !== undefined && !writing.own)
        lose(writing, nameAt(writing.conversation.dialect, at), "Gemini is not told a file's name")
      return found
    }
    case "Audio":
      return { inlineData: { mimeType: audioType(part.format), data: part.data } }
    default:
      return undefined
  }
}

const signature = (seal: Seal | undefined): Body => (seal?.dialect === "generateContent" ? { thoughtSignature: seal.data } : {})

const callPart = (writing: Writing, { arguments: text, at, id, name, seal }: ToolCall, place: string): Body => {
  if (id !== "") writing.names.set(id, name)
  const value = text.trim() === "" ? {} : parseExact(text)
  const args = isObject(value) ? value : { arguments: text }
  if (args !== value) lose(writing, at ?? place, "the arguments of this call are not a JSON object, so they are sent as the text of one")
  const told = writing.callIds && id !== "" ? { id } : {}
  return { functionCall: { ...told, name, args }, ...signature(seal) }
}

const responseOf = ({ isError, object, parts }: ToolResult): Body => {
  if (object !== undefined) return object
  const texts = parts.flatMap((part) => (part._tag === "Text" ? [part.text] : []))
  const text = texts.join("\n")
  const value = parseExact(text)
  if (isError === true) return { error: isObject(value) ? value : text }
  if (isObject(value)) return value
  return texts.length === 0 && parts.length > 0 ? {} : { result: text }
}

/** What the result of a tool may hold beside its object. */
const within = new Set(["image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"])

const resultPart = (writing: Writing, result: ToolResult, moved: Array<Body>, place: string): Body => {
  const { at = place, callId } = result
  const known = result.name ?? writing.names.get(callId)
  if (known === undefined) lose(writing, at, "the call that this is the result of is not there, so its function's name is not known")
  const told = writing.callIds && callId !== "" ? { id: callId } : {}
  const nested: Array<Body> = []
  for (const part of result.parts) {
    if (part._tag === "Text") continue
    if (part._tag === "Foreign" && writing.own && isObject(part.value)) nested.push(part.value)
    else if (part._tag === "Foreign") lose(writing, part.at ?? at, `\`${part.type}\` has no place in a tool's result`)
    else {
      const found = mediaPart(writing, part, at)
      if (found === undefined) continue
      const type = isObject(found["inlineData"]) ? found["inlineData"]["mimeType"] : undefined
      if (writing.own || (writing.traits.mediaInResults && within.has(String(type)))) nested.push(found)
      else {
        lose(writing, part.at ?? at, "a tool's result cannot hold this, so it stands behind it")
        moved.push(found)
      }
    }
  }
  const said = !writing.own || result.object !== undefined || result.parts.some(({ _tag }) => _tag === "Text")
  const response = said ? { response: responseOf(result) } : {}
  return {
    functionResponse: {
      ...told,
      name: known ?? (callId === "" ? "unknown" : callId),
      ...response,
      ...(nested.length === 0 ? {} : { parts: nested })
    }
  }
}

/** A part in its place; one that falls away is `Fallen`. */
const ownPart = (writing: Writing, part: Part, place: string): Body => {
  switch (part._tag) {
    case "Text":
      return { text: part.text, ...signature(part.seal) }
    case "Reasoning":
      // A thought that nobody may read is nothing without its seal.
      if (part.text === "" && part.seal !== undefined && part.seal.dialect !== "generateContent")
        return lose(writing, part.at ?? place, "only the provider that sealed this reasoning can read it") ?? new Fallen()
      return { text: part.text, thought: true, ...signature(part.seal) }
    case "SealedReasoning":
      return part.seal.dialect === "generateContent"
        ? { text: "", ...signature(part.seal) }
        : (lose(writing, part.at ?? place, "only the provider that sealed this reasoning can read it") ?? new Fallen())
    case "ToolCall": {
      const call = callPart(writing, part, place)
      // What is sealed by another provider was called by another model.
      const strange = part.seal !== undefined && part.seal.dialect !== "generateContent" && writing.traits.signsCalls
      return strange ? { ...call, thoughtSignature: unsigned } : call
    }
    case "ToolResult":
      return resultPart(writing, part, [], place)
    case "Refusal":
      return { text: part.text }
    case "Foreign":
      return isObject(part.value) ? part.value : new Fallen()
    default:
      return mediaPart(writing, part, place) ?? new Fallen()
  }
}

const ownContents = (writing: Writing): ReadonlyArray<Body> =>
  writing.conversation.messages.map(({ at, parts, role }) => ({
    role: role === "assistant" ? "model" : "user",
    parts: parts.map((part) => ownPart(writing, part, at))
  }))

/** One side's turn. */
interface Turn {
  readonly role: "user" | "model"
  readonly results: Array<{ readonly rank: number; readonly part: Body }>
  readonly parts: Array<Body>
}

/** The parts of what the model said, each seal with the part that it signs. */
const modelParts = (writing: Writing, { at: place, parts }: Message): ReadonlyArray<Body> => {
  const written: Array<Body> = []
  let pending: Seal | undefined
  const flush = (): void => {
    if (pending !== undefined) written.push({ text: "", ...signature(pending) })
    pending = undefined
  }
  const signed = (seal: Seal | undefined): Body => {
    const found = seal?.dialect === "generateContent" ? seal : pending
    if (found === pending) pending = undefined
    return signature(found)
  }
  for (const part of parts) {
    const at = part.at ?? place
    switch (part._tag) {
      case "Text":
      case "Refusal": {
        if (part._tag === "Refusal") lose(writing, at, "an earlier refusal is sent as ordinary text")
        else if (part.citations !== undefined && part.citations.length > 0)
          lose(writing, citationsAt(writing.conversation.dialect, at), "sources of an earlier answer are not read again")
        if (part.text !== "") written.push({ text: part.text, ...signed(part._tag === "Text" ? part.seal : undefined) })
        else if (part._tag === "Text" && part.seal?.dialect === "generateContent") written.push({ text: "", ...signature(part.seal) })
        break
      }
      case "Reasoning":
      case "SealedReasoning": {
        if (part.seal?.dialect !== "generateContent") {
          lose(
            writing,
            at,
            part._tag === "Reasoning"
              ? "Gemini takes back only thoughts of its own"
              : "only the provider that sealed this reasoning can read it"
          )
          break
        }
        flush()
        if (part._tag === "Reasoning" && part.text !== "") written.push({ text: part.text, thought: true })
        pending = part.seal
        break
      }
      case "ToolCall":
        written.push({ ...callPart(writing, part, place), ...signed(part.seal) })
        break
      case "ToolResult":
        lose(writing, at, "the model cannot give the result of a tool")
        break
      case "Foreign":
        lose(writing, at, `\`${part.type}\` has no place in a request to Gemini`)
        break
      default: {
        const found = mediaPart(writing, part, place)
        if (found !== undefined) written.push(found)
      }
    }
  }
  flush()
  const first = writing.traits.signsCalls ? written.findIndex((part) => part["functionCall"] !== undefined) : -1
  const call = written[first]
  if (call !== undefined && call["thoughtSignature"] === undefined) written[first] = { ...call, thoughtSignature: unsigned }
  return written
}

const userParts = (writing: Writing, { at: place, parts }: Message, turn: Turn, ranks: ReadonlyMap<string, number>): void => {
  for (const part of parts) {
    const at = part.at ?? place
    if (part._tag === "Text") {
      if (part.text !== "") turn.parts.push({ text: part.text })
    } else if (part._tag === "ToolResult") {
      const written = resultPart(writing, part, turn.parts, place)
      turn.results.push({ rank: ranks.get(part.callId) ?? ranks.size, part: written })
    } else if (part._tag === "Foreign") lose(writing, at, `\`${part.type}\` has no place in a request to Gemini`)
    else if (part._tag === "Image" || part._tag === "File" || part._tag === "Audio") {
      const found = mediaPart(writing, part, place)
      if (found !== undefined) turn.parts.push(found)
    } else lose(writing, at, "the user cannot say what only the model says")
  }
}

const alternating = (writing: Writing, messages: ReadonlyArray<Message>): ReadonlyArray<Body> => {
  const turns: Array<Turn> = []
  let ranks = new Map<string, number>()
  for (const message of messages) {
    if (message.name !== undefined) lose(writing, `${message.at}.name`, "Gemini does not tell participants of one role apart")
    const role = message.role === "assistant" ? "model" : "user"
    const before = writing.losses.length
    const last = turns.at(-1)
    const turn: Turn = last?.role === role ? last : { role, results: [], parts: [] }
    const held = turn.parts.length + turn.results.length
    if (role === "model") {
      addAll(turn.parts, modelParts(writing, message))
      const calls = message.parts.flatMap((part) => (part._tag === "ToolCall" ? [part.id] : []))
      if (calls.length > 0) ranks = new Map(calls.map((id, rank) => [id, rank]))
    } else userParts(writing, message, turn, ranks)
    if (turn.parts.length + turn.results.length === held) {
      if (writing.losses.length === before) lose(writing, message.at, "a message without content is left out")
    } else if (turn !== last) turns.push(turn)
  }
  return turns.map(({ parts, results, role }) => ({
    role,
    parts: [...results.sort((a, b) => a.rank - b.rank).map(({ part }) => part), ...parts]
  }))
}

/** Writes `contents` from all messages but later instructions, which the caller has taken out. */
export const contentsOf = (writing: Writing, messages: ReadonlyArray<Message>): ReadonlyArray<Body> =>
  writing.own ? ownContents(writing) : alternating(writing, joined(messages))

/** The contents without what has fallen away. */
export const standing = (contents: unknown): unknown =>
  Array.isArray(contents)
    ? contents.flatMap((content: unknown) => {
        if (!isObject(content) || !Array.isArray(content["parts"])) return [content]
        const parts = content["parts"].filter((part) => !(part instanceof Fallen))
        if (parts.length === content["parts"].length) return [content]
        return parts.length === 0 ? [] : [{ ...content, parts }]
      })
    : contents
