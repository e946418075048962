/**
 * Images and files as Chat Completions writes them: URLs, most often `data:` URLs that hold the bytes.
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

/** What a URL leads to. */
export const sourceOf = (url: string): Source => {
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
export const fileSource = (data: string, name: string | undefined): Source => {
  const known = dataUrl(data)
  if (known !== undefined) return { _tag: "Base64", ...known }
  if (/^https?:\/\//i.test(data)) return { _tag: "Url", url: data }
  const ending = name === undefined ? "" : name.slice(name.lastIndexOf(".") + 1).toLowerCase()
  return { _tag: "Base64", mediaType: (Object.hasOwn(mediaTypes, ending) ? mediaTypes[ending] : undefined) ?? "application/pdf", data }
}

/** The URL of a source, where it has one. */
export const urlOf = (source: Source): string | undefined => {
  switch (source._tag) {
    case "Url":
      return source.url
    case "Base64":
      return `data:${source.mediaType};base64,${source.data}`
    case "Plain":
    case "Uploaded":
      return undefined
  }
}
