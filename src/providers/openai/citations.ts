/**
 * The sources that a chat completion names: `annotations` of the message, each a URL and the stretch of the text that it stands for.
 */
import type { Citation } from "../../Conversation.ts"
import { field, isObject, type Json, textAt } from "../json.ts"

const offset = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined

/** The citation that an annotation is; undefined where it is one of another kind. */
export const citationOf = (annotation: unknown): Citation | undefined => {
  const cited = field(annotation, "url_citation")
  const url = textAt(cited, "url")
  if (!isObject(annotation) || url === undefined) return undefined
  const title = textAt(cited, "title")
  const quote = textAt(cited, "content")
  const start = offset(field(cited, "start_index"))
  const end = offset(field(cited, "end_index"))
  return {
    url,
    ...(title === undefined || title === "" ? {} : { title }),
    ...(quote === undefined || quote === "" ? {} : { quote }),
    // Some hosts write 0 and 0 where they do not know.
    ...(start === undefined || end === undefined || end <= start ? {} : { start, end }),
    value: annotation
  }
}

/** The annotation of a text that lies between `from` and `to` in its message; undefined where the source has no URL. */
export const annotationOf = ({ end, start, title, url }: Citation, from: number, to: number): Json | undefined =>
  url === undefined
    ? undefined
    : {
        type: "url_citation",
        url_citation: {
          start_index: start === undefined ? from : Math.min(from + start, to),
          end_index: end === undefined ? to : Math.min(from + end, to),
          // The field is not optional.
          title: title ?? url,
          url
        }
      }
