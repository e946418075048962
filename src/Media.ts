/**
 * Images and documents in a conversation: whether what stands there is one, and where others could be fetched. Runs once a translated request; bytes that are forwarded are
 * the provider's to judge.
 */
import type { Conversation, File, Image, Part, Source } from "./Conversation.ts"
import type { BadField } from "./Dialect.ts"

const isMedia = (part: Part): part is Image | File => part._tag === "Image" || part._tag === "File"

/** Every part, those in results of tools included. */
const partsOf = ({ messages }: Conversation): ReadonlyArray<Part> =>
  messages.flatMap(({ parts }) => parts.flatMap((part) => (part._tag === "ToolResult" ? part.parts : [part])))

const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/

/** How images begin, in base64: the first three bytes are four characters. */
const beginnings: ReadonlyArray<string> = [
  "iVBORw0KGg", // PNG
  "/9j/", // JPEG
  "R0lGOD", // GIF
  "UklGR", // WebP: RIFF
  "Qk", // BMP
  "SUkqA", // TIFF, little end first
  "TU0AK" // TIFF, big end first
]
/** HEIF and AVIF have the length of their first box before its name. */
const boxed = /^AAAA[A-Za-z0-9+/]{2}Z0eX|^AAAA..ZnR5c/

const isImage = (data: string, mediaType: string): boolean =>
  mediaType === "image/svg+xml" || beginnings.some((beginning) => data.startsWith(beginning)) || boxed.test(data)

const fault = (part: Image | File): string | undefined => {
  const { source } = part
  if (source._tag !== "Base64") return undefined
  const data = /\s/.test(source.data) ? source.data.replace(/\s+/g, "") : source.data
  if (data === "" || !base64.test(data) || data.replace(/=+$/, "").length % 4 === 1) return "expected base64"
  if (part._tag === "Image" && !isImage(data, source.mediaType)) return "expected an image: these bytes do not begin like one"
  return undefined
}

/** The first image or document whose bytes cannot be read. */
export const brokenMedia = (conversation: Conversation): BadField | undefined => {
  for (const part of partsOf(conversation)) {
    if (!isMedia(part)) continue
    const message = fault(part)
    if (message !== undefined) return { path: part.at ?? "messages", message }
  }
  return undefined
}

/** The parts that are named by an address, by where the caller wrote them. */
export const addresses = (conversation: Conversation): ReadonlyMap<string, URL> => {
  const found = new Map<string, URL>()
  for (const part of partsOf(conversation)) {
    if (!isMedia(part) || part.source._tag !== "Url" || part.at === undefined) continue
    const url = URL.parse(part.source.url)
    if (url !== null) found.set(part.at, url)
  }
  return found
}

/** The conversation with other sources in these places. */
export const resourced = (conversation: Conversation, sources: ReadonlyMap<string, Source>): Conversation => {
  const other = (part: Part): Part => {
    if (part._tag === "ToolResult") return { ...part, parts: part.parts.map(other) }
    const source = isMedia(part) && part.at !== undefined ? sources.get(part.at) : undefined
    return source === undefined ? part : ({ ...part, source } as Part)
  }
  return { ...conversation, messages: conversation.messages.map((message) => ({ ...message, parts: message.parts.map(other) })) }
}
