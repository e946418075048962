/**
 * One part of an answer's content, decoded.
 *
 * Every part becomes one part of the model, so that what is noted of it by its path can be put back. Exempt is a part that says nothing, the empty text at the end of many streams, which
 * is put back whole. An empty text with a signature and no `thought` is the provider's way to sign what came before: it is sealed reasoning. An empty thought with one is a thought that
 * was not shown.
 */
import type { Extra, Part, Seal } from "../../Conversation.ts"
import { noteOthers } from "../extras.ts"
import { field, isObject, type Json, print, textAt } from "../json.ts"
import { sealOf } from "../seal.ts"

/** What Google documents for a call that another model has made, where a signature is demanded ("Thought signatures"). */
export const unsigned = "skip_thought_signature_validator"

/** The fields of which a part has one. */
const kinds = [
  "text",
  "inlineData",
  "fileData",
  "functionCall",
  "functionResponse",
  "executableCode",
  "codeExecutionResult",
  "toolCall",
  "toolResponse"
]

const foreign = (value: unknown, type: string, at: string): Part => ({ _tag: "Foreign", type, value, at })

/** What a part is signed with. */
export const sealIn = (part: unknown): { readonly seal?: Seal } => {
  const signature = textAt(part, "thoughtSignature")
  if (signature === undefined || signature === "") return {}
  const seal = sealOf(signature, "generateContent")
  return seal.data === "" ? {} : { seal }
}

const others = (extras: Array<Extra>, at: string, part: Json, kind: string, own: ReadonlyArray<string>): void => {
  noteOthers(extras, at, part, new Set([kind, "thoughtSignature", ...own]), (key) => key !== "thought" && key !== "partMetadata")
}

const textOf = (part: Json, text: string, at: string, extras: Array<Extra>): Part | undefined => {
  const sealed = sealIn(part)
  const thought = field(part, "thought") === true
  if (text === "" && sealed.seal === undefined) {
    extras.push({ field: at, value: part, matters: false })
    return undefined
  }
  others(extras, at, part, "text", ["thought"])
  if (thought) return { _tag: "Reasoning", text, ...sealed }
  return text === "" && sealed.seal !== undefined ? { _tag: "SealedReasoning", seal: sealed.seal } : { _tag: "Text", text, ...sealed }
}

/** Short names of sound whose media type is another. */
const formats: Readonly<Record<string, string>> = { mpeg: "mp3", "x-wav": "wav", wave: "wav", "x-aac": "aac", "x-flac": "flac" }

const formatOf = (mediaType: string): string => {
  const subtype = mediaType.slice("audio/".length)
  if (/^l16\b/i.test(subtype)) return "pcm16"
  return Object.hasOwn(formats, subtype) ? formats[subtype]! : subtype
}

/** The media type of sound in a format. */
export const audioType = (format: string): string => (format === "pcm16" ? "audio/L16" : `audio/${format}`)

const dataOf = (part: Json, at: string, extras: Array<Extra>): Part => {
  const blob = field(part, "inlineData")
  const mediaType = textAt(blob, "mimeType")
  const data = textAt(blob, "data")
  if (!isObject(blob) || mediaType === undefined || data === undefined) return foreign(part, "inlineData", at)
  // A signature has no place on a picture, so it stays what it is.
  noteOthers(extras, at, part, new Set(["inlineData"]), (key) => key === "thought")
  noteOthers(extras, `${at}.inlineData`, blob, new Set(["mimeType", "data"]), false)
  if (mediaType.startsWith("image/")) return { _tag: "Image", source: { _tag: "Base64", mediaType, data } }
  if (!mediaType.startsWith("audio/")) return { _tag: "File", source: { _tag: "Base64", mediaType, data } }
  const format = formatOf(mediaType)
  if (audioType(format) !== mediaType) extras.push({ field: `${at}.inlineData.mimeType`, value: mediaType, matters: false })
  return { _tag: "Audio", format, data }
}

const callOf = (part: Json, at: string, extras: Array<Extra>): Part => {
  const call = field(part, "functionCall")
  const name = textAt(call, "name")
  const given = field(call, "args") ?? {}
  const text = isObject(given) ? print(given) : ""
  // What cannot be printed again is kept as it is.
  if (!isObject(call) || name === undefined || name === "" || text === "") return foreign(part, "functionCall", at)
  others(extras, at, part, "functionCall", [])
  noteOthers(extras, `${at}.functionCall`, call, new Set(["id", "name", "args"]), true)
  return { _tag: "ToolCall", id: textAt(call, "id") ?? "", name, arguments: text, ...sealIn(part) }
}

/** Decodes the part at `at`; undefined where it says nothing. */
export const decodePart = (part: unknown, at: string, extras: Array<Extra>): Part | undefined => {
  if (!isObject(part)) return foreign(part, "part", at)
  const [kind, more] = kinds.filter((name) => Object.hasOwn(part, name) && part[name] !== null)
  if (kind === undefined || more !== undefined) return foreign(part, kind ?? "part", at)
  switch (kind) {
    case "text": {
      const text = textAt(part, "text")
      return text === undefined ? foreign(part, kind, at) : textOf(part, text, at, extras)
    }
    case "inlineData":
      return dataOf(part, at, extras)
    case "functionCall":
      return callOf(part, at, extras)
    default:
      return foreign(part, kind, at)
  }
}
