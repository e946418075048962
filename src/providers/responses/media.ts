/**
 * Images and files as Responses carries them: a URL, a `data:` URL, or the id of an upload.
 */
import type { Source } from "../../Conversation.ts"

/** What stands before the bytes of a `data:` URL is a media type and a few parameters; taking more apart would only take time. */
const longestHead = 1_024

/** The media type and base64 text of a `data:` URL. */
const dataUrl = (url: string): { readonly mediaType: string; readonly data: string } | undefined => {
  if (!url.startsWith("data:")) return undefined
  const comma = url.indexOf(",")
  if (comma < 0 || comma > longestHead) return undefined
  const [mediaType = "", ...rest] = url.slice(5, comma).split(";")
  if (rest.at(-1)?.trim().toLowerCase() !== "base64") return undefined
  return { mediaType: mediaType.trim().toLowerCase(), data: url.slice(comma + 1) }
}

/** What the URL of an image leads to; one that holds its bytes is taken apart. */
export const sourceOf = (url: string): Source => {
  const data = dataUrl(url)
  return data === undefined ? { _tag: "Url", url } : { _tag: "Base64", ...data }
}

/** The endings of file names and what they say, the usual one of a type first. */
const endings: ReadonlyArray<readonly [ending: string, mediaType: string]> = [
  ["pdf", "application/pdf"],
  ["txt", "text/plain"],
  ["md", "text/markdown"],
  ["csv", "text/csv"],
  ["html", "text/html"],
  ["json", "application/json"],
  ["docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
  ["xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"],
  ["pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"],
  ["png", "image/png"],
  ["jpg", "image/jpeg"],
  ["jpeg", "image/jpeg"],
  ["gif", "image/gif"],
  ["webp", "image/webp"]
]

/** The bytes of a file: bare base64 is what its name says, and most often a PDF. Undefined for a `data:` URL that holds no base64. */
export const fileSource = (data: string, name: string | undefined): Source | undefined => {
  const known = dataUrl(data)
  if (known !== undefined) return { _tag: "Base64", ...known }
  if (data.startsWith("data:")) return undefined
  const ending = name?.slice(name.lastIndexOf(".") + 1).toLowerCase()
  const mediaType = endings.find(([known]) => known === ending)?.[1] ?? "application/pdf"
  return { _tag: "Base64", mediaType, data }
}

/** A name for a file that has none, since the API tells by its ending what it is. */
export const fileName = (mediaType: string): string => `file.${endings.find(([, known]) => known === mediaType)?.[0] ?? "pdf"}`

/** The URL of bytes or of a place; undefined where there is none. */
export const urlOf = (source: Source): string | undefined =>
  source._tag === "Url" ? source.url : source._tag === "Base64" ? `data:${source.mediaType};base64,${source.data}` : undefined
