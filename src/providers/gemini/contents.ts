/**
 * The contents of a generateContent request, decoded part by part, and its instruction.
 *
 * A content is a message and a part is a part, so that what is noted of one by its path can be put back. What the model has no kind for (code that Gemini ran, calls of its own tools) stays a
 * `Foreign` part in its place. Calls mostly have no ids: each gets one made of its position, and the n-th result of a name answers the n-th call of that name in the model's content before it.
 *
 * Source: https://ai.google.dev/api/caching#Content
 */
import type { Instruction, Message, Part, Seal, Source, ToolResult } from "../../Conversation.ts"
import { isObject, type Json, print } from "../json.ts"
import { sealOf } from "../seal.ts"
import { camel, entries, type Struct } from "./names.ts"
import { audioType, unsigned } from "./part.ts"
import { aText, note, noteAbsent, noteOthers, type Reading, refuse, structAt } from "./reading.ts"

/** A call that waits for its result. */
interface Waiting {
  readonly id: string
  readonly name: string
  answered: boolean
}

/** The calls of one id or of one name, and how many of the first have their results. */
interface Queue {
  readonly calls: Array<Waiting>
  answered: number
}

/** The calls of one content. Each knows its place by its id and by its name: to look through all of them for every result would take the square of their number. */
class Calls {
  readonly #byId = new Map<string, Queue>()
  readonly #byName = new Map<string, Queue>()

  add(id: string, name: string): void {
    const call = { id, name, answered: false }
    for (const [queues, key] of [
      [this.#byId, id],
      [this.#byName, name]
    ] as const) {
      const queue = queues.get(key)
      if (queue === undefined) queues.set(key, { calls: [call], answered: 0 })
      else queue.calls.push(call)
    }
  }

  /** The first call that waits for a result of this id, or where there is no id of this name; it waits no longer. */
  answer(id: string | undefined, name: string | undefined): Waiting | undefined {
    const queue = id === undefined ? this.#byName.get(name ?? "") : this.#byId.get(id)
    if (queue === undefined) return undefined
    while (queue.calls[queue.answered]?.answered === true) queue.answered++
    const call = queue.calls[queue.answered]
    if (call !== undefined) call.answered = true
    return call
  }
}

interface Thread {
  readonly reading: Reading
  /** The calls of the model's content before. */
  calls: Calls
}

/** The fields of which a part has one. */
const kinds = new Set(
  "text inlineData fileData functionCall functionResponse executableCode codeExecutionResult toolCall toolResponse".split(" ")
)

const notData = (name: string): boolean => name !== "partMetadata" && name !== "thought" && name !== "thoughtSignature"

/** Short names of sound whose media type is another. */
const formats: Readonly<Record<string, string>> = {
  mpeg: "mp3",
  "x-wav": "wav",
  wave: "wav",
  "x-aac": "aac",
  "x-flac": "flac",
  l16: "pcm16"
}

const formatOf = (mediaType: string): string => {
  const subtype = mediaType.slice("audio/".length).split(";")[0]!.trim().toLowerCase()
  return Object.hasOwn(formats, subtype) ? formats[subtype]! : subtype
}

const pictures: Readonly<Record<string, true>> = {
  png: true,
  jpg: true,
  jpeg: true,
  gif: true,
  webp: true,
  heic: true,
  heif: true,
  bmp: true
}

/** What the path of a URL ends in, without its dot. */
export const endingOf = (url: string): string => /\.(\w+)$/.exec(url.replace(/[?#].*$/s, ""))?.[1]?.toLowerCase() ?? ""

/** Addresses that only Google reads: uploaded files, Cloud Storage, videos of YouTube. */
const isGoogles = (uri: string): boolean =>
  !/^https?:/i.test(uri) ||
  /^https?:\/\/(?:[\w-]+\.)*googleapis\.com\/(?:[\w-]+\/)?files\//i.test(uri) ||
  /^https?:\/\/(?:(?:www|m|music)\.)?(?:youtube\.com|youtu\.be)\//i.test(uri)

/** A picture or a file, by its media type. */
const mediaPart = (source: Source, mediaType: string | undefined, name: string | undefined, at: string): Part => {
  const picture =
    mediaType === undefined ? source._tag === "Url" && Object.hasOwn(pictures, endingOf(source.url)) : mediaType.startsWith("image/")
  return picture ? { _tag: "Image", source, at } : { _tag: "File", source, at, ...(name === undefined ? {} : { name }) }
}

const blobKeys = new Set(["mimeType", "data", "displayName"])
const fileKeys = new Set(["mimeType", "fileUri", "displayName"])

/** The path of a field that our own body has, whatever the spelling of those around it. */
const labelled = (reading: Reading, part: Part, struct: Struct): Part => {
  const name = struct.get("displayName")
  if (name !== undefined && !(part._tag === "File" && part.name === name)) note(reading, struct.path("displayName"), name, false)
  return part
}

const readBlob = (reading: Reading, value: unknown, at: string, place: string): Part | undefined => {
  const blob = structAt(reading, value, place)
  if (blob === undefined) return undefined
  const mediaType = aText(reading, blob.path("mimeType"), blob.get("mimeType"))
  const given = aText(reading, blob.path("data"), blob.get("data"))
  if (mediaType === undefined || given === undefined) return undefined
  noteOthers(reading, blob, blobKeys, () => true)
  // Bytes may come in the alphabet for URLs, which other providers do not read.
  const data = /[-_]/.test(given) ? given.replaceAll("-", "+").replaceAll("_", "/") : given
  if (data !== given) note(reading, `${place}.data`, given, false)
  if (!mediaType.startsWith("audio/"))
    return labelled(reading, mediaPart({ _tag: "Base64", mediaType, data }, mediaType, blob.text("displayName"), at), blob)
  const format = formatOf(mediaType)
  if (audioType(format) !== mediaType) note(reading, `${place}.mimeType`, mediaType, false)
  return labelled(reading, { _tag: "Audio", format, data, at }, blob)
}

const readFile = (reading: Reading, value: unknown, at: string, place: string): Part | undefined => {
  const file = structAt(reading, value, place)
  if (file === undefined) return undefined
  const uri = aText(reading, file.path("fileUri"), file.get("fileUri"))
  if (uri === undefined) return undefined
  const mediaType = file.has("mimeType") ? aText(reading, file.path("mimeType"), file.get("mimeType")) : undefined
  noteOthers(reading, file, fileKeys, () => true)
  const known = mediaType === undefined ? {} : { mediaType }
  const source: Source = isGoogles(uri) ? { _tag: "Uploaded", id: uri, ...known } : { _tag: "Url", url: uri, ...known }
  return labelled(reading, mediaPart(source, mediaType, file.text("displayName"), at), file)
}

/** An id that is given; an empty one is none. */
const idOf = (reading: Reading, struct: Struct): string | undefined => {
  const id = struct.has("id") ? aText(reading, struct.path("id"), struct.get("id")) : undefined
  return id === "" ? undefined : id
}

const callKeys = new Set(["id", "name", "args"])

const readCall = ({ calls, reading }: Thread, part: Struct, at: string, made: string): Part | undefined => {
  const place = part.path("functionCall")
  const call = structAt(reading, part.get("functionCall"), place)
  if (call === undefined) return undefined
  const name = aText(reading, call.path("name"), call.get("name"))
  const args = call.get("args") ?? {}
  const text = isObject(args) ? print(args) : refuse(reading, call.path("args"), "expected an object")
  if (text === "") return refuse(reading, call.path("args"), "the arguments are nested too deeply")
  const given = idOf(reading, call)
  if (given === undefined) noteAbsent(reading, `${place}.id`)
  if (!call.has("args")) noteAbsent(reading, `${place}.args`)
  if (name === undefined || text === undefined) return undefined
  noteOthers(reading, call, callKeys, () => true)
  const id = given ?? made
  calls.add(id, name)
  const sealed = sealIn(part)
  // Gemini gets its own word for a call that another model has made.
  if (sealed.seal === undefined && part.text("thoughtSignature")) note(reading, part.path("thoughtSignature"), unsigned, false)
  return { _tag: "ToolCall", id, name, arguments: text, at, ...sealed }
}

const responseKeys = new Set(["id", "name", "response", "parts"])

/** The words of a result that is nothing but words: what wraps them says no more than that they are an output, or an error ("FunctionResponse"). */
const wordsOf = (object: Json): string | undefined => {
  const [name, ...others] = Object.keys(object)
  if (others.length > 0 || (name !== "output" && name !== "result" && name !== "error")) return undefined
  const words = object[name]
  return typeof words === "string" ? words : undefined
}

const readResponse = ({ calls, reading }: Thread, part: Struct, at: string, made: string): Part | undefined => {
  const place = part.path("functionResponse")
  const response = structAt(reading, part.get("functionResponse"), place)
  if (response === undefined) return undefined
  const name = aText(reading, response.path("name"), response.get("name"))
  const given = idOf(reading, response)
  if (given === undefined) noteAbsent(reading, `${place}.id`)
  const call = calls.answer(given, name)
  const object = response.get("response")
  if (object !== undefined && !isObject(object)) return refuse(reading, response.path("response"), "expected an object")
  const text = object === undefined ? "" : (wordsOf(object) ?? print(object))
  if (object !== undefined && text === "" && print(object) === "")
    return refuse(reading, response.path("response"), "the response is nested too deeply")
  noteOthers(reading, response, responseKeys, (key) => key !== "scheduling" && key !== "willContinue")
  const parts: Array<Part> = text === "" ? [] : [{ _tag: "Text", text, at: response.path("response") }]
  const nested = entries(response.get("parts"))
  for (let index = 0; index < nested.length; index++) {
    const found = readNested(reading, nested[index], `${response.path("parts")}[${index}]`)
    if (found === undefined) return undefined
    parts.push(found)
  }
  if (name === undefined) return undefined
  const keys = object === undefined ? [] : Object.keys(object)
  const result: ToolResult = { _tag: "ToolResult", callId: given ?? call?.id ?? made, name, parts, at }
  // By convention a failure is told under this name ("FunctionResponse").
  const failed = keys.length === 1 && keys[0] === "error"
  return { ...result, ...(object === undefined ? {} : { object }), ...(failed ? { isError: true } : {}) }
}

const readNested = (reading: Reading, value: unknown, at: string): Part | undefined => {
  const part = structAt(reading, value, at)
  if (part === undefined) return undefined
  const [name, more] = part.names()
  if (more === undefined && name === "inlineData") return readBlob(reading, part.get(name), at, part.path(name))
  if (more === undefined && name === "fileData") return readFile(reading, part.get(name), at, part.path(name))
  return { _tag: "Foreign", type: name ?? "part", value, at }
}

const sealIn = (part: Struct): { readonly seal?: Seal } => {
  const signature = part.text("thoughtSignature")
  if (signature === undefined || signature === "") return {}
  const seal = sealOf(signature, "generateContent")
  // What nobody has sealed is marked in an answer (`nobodys`), so that its call is not forwarded as Gemini's own.
  return seal.data === "" ? {} : { seal }
}

const readText = (reading: Reading, part: Struct, at: string): Part | undefined => {
  const text = part.has("text") ? aText(reading, part.path("text"), part.get("text")) : ""
  if (text === undefined) return undefined
  const { seal } = sealIn(part)
  if (!part.has("text")) noteAbsent(reading, `${at}.text`)
  const thought = part.get("thought") === true
  if (text === "" && seal !== undefined && !thought) return { _tag: "SealedReasoning", seal, at }
  if (thought) return { _tag: "Reasoning", text, at, ...(seal === undefined ? {} : { seal }) }
  return { _tag: "Text", text, at, ...(seal === undefined ? {} : { seal }) }
}

const readPart = (thread: Thread, value: unknown, at: string, made: string): Part | undefined => {
  const { reading } = thread
  const part = structAt(reading, value, at)
  if (part === undefined) return undefined
  const data = [...part.names()].filter((name) => kinds.has(name))
  const kind = data.length === 0 && part.has("thoughtSignature") ? "text" : data[0]
  const found = data.length > 1 || kind === undefined ? undefined : readKind(thread, part, kind, at, made)
  if (reading.bad !== undefined) return undefined
  if (found === undefined) return { _tag: "Foreign", type: kind ?? [...part.names()].find(notData) ?? "part", value, at }
  const sealed = found._tag === "Image" || found._tag === "File" || found._tag === "Audio" || found._tag === "ToolResult"
  const reasoned = found._tag === "Text" || found._tag === "Reasoning" || found._tag === "SealedReasoning"
  const known = new Set([kind!, ...(sealed ? [] : ["thoughtSignature"]), ...(reasoned ? ["thought"] : [])])
  noteOthers(reading, part, known, notData)
  if (part.get("thought") === false && reasoned) note(reading, part.path("thought"), false, false)
  return found
}

/** A part of a kind that the model knows; undefined for others. */
const readKind = (thread: Thread, part: Struct, kind: string, at: string, made: string): Part | undefined => {
  switch (kind) {
    case "text":
      return readText(thread.reading, part, at)
    case "inlineData":
      return readBlob(thread.reading, part.get(kind), at, part.path(kind))
    case "fileData":
      return readFile(thread.reading, part.get(kind), at, part.path(kind))
    case "functionCall":
      return readCall(thread, part, at, made)
    case "functionResponse":
      return readResponse(thread, part, at, made)
    default:
      return undefined
  }
}

const contentKeys = new Set(["role", "parts"])

const readContent = (thread: Thread, value: unknown, index: number, before: string): Message | undefined => {
  const { reading } = thread
  const at = `contents[${index}]`
  const content = structAt(reading, value, at)
  if (content === undefined) return undefined
  const role = (content.has("role") ? aText(reading, content.path("role"), content.get("role")) : "user")?.toLowerCase()
  if (role !== undefined && !["user", "model", "function", "tool"].includes(role))
    return refuse(reading, content.path("role"), "expected `user` or `model`")
  if (role === "model" && before !== "assistant") thread.calls = new Calls()
  noteOthers(reading, content, contentKeys, () => true)
  const given = content.get("parts")
  if (given !== undefined && !Array.isArray(given) && !isObject(given))
    return refuse(reading, content.path("parts"), "expected a list of parts")
  const list = entries(given)
  const parts: Array<Part> = []
  for (let part = 0; part < list.length && reading.bad === undefined; part++) {
    const found = readPart(thread, list[part], `${content.path("parts")}[${part}]`, `call_${index}_${part}`)
    if (found !== undefined) parts.push(found)
  }
  const results = parts.length > 0 && parts.every(({ _tag }) => _tag === "ToolResult")
  return { role: role === "model" ? "assistant" : results ? "tool" : "user", parts, at }
}

/** Reads `contents`. */
export const readContents = (reading: Reading, value: unknown): ReadonlyArray<Message> => {
  const messages: Array<Message> = []
  if (!Array.isArray(value) && !isObject(value)) {
    refuse(reading, "contents", "expected a list of contents")
    return messages
  }
  const thread: Thread = { reading, calls: new Calls() }
  const list = entries(value)
  for (let index = 0; index < list.length && reading.bad === undefined; index++) {
    const message = readContent(thread, list[index], index, messages.at(-1)?.role ?? "")
    if (message !== undefined) messages.push(message)
  }
  return messages
}

/** Reads `systemInstruction`: each text of it is an instruction. */
export const readInstruction = (reading: Reading, value: unknown, at: string): ReadonlyArray<Instruction> => {
  const instruction = structAt(reading, value, at)
  if (instruction === undefined) return []
  const list = entries(instruction.get("parts"))
  const only = list.length > 0 && list.every((part) => isObject(part) && Object.keys(part).every((key) => camel(key) === "text"))
  // Nobody reads an empty instruction, but some clients send one.
  if (only && list.every((part) => isObject(part) && part["text"] === "")) {
    note(reading, at, value, false)
    return []
  }
  noteOthers(reading, instruction, new Set(["parts"]), (name) => name !== "role")
  const system: Array<Instruction> = []
  for (let index = 0; index < list.length; index++) {
    const place = `${instruction.path("parts")}[${index}]`
    const part = structAt(reading, list[index], place)
    const text = part?.text("text")
    if (part === undefined) break
    if (text === undefined || [...part.names()].length > 1) note(reading, place, list[index], true, "only text can be an instruction")
    else system.push({ role: "system", text, at: place })
  }
  return system
}
