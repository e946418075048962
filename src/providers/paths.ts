/**
 * Where callers write what belongs to a part of a message, below the part's own path: a loss is told in their terms.
 */
import type { DialectName } from "../Dialect.ts"

/** The sources of an earlier answer's text. */
export const citationsAt = (dialect: DialectName, at: string): string => `${at}.${dialect === "messages" ? "citations" : "annotations"}`

const names: Readonly<Record<DialectName, string>> = {
  "chat.completions": "file.filename",
  responses: "filename",
  messages: "title",
  generateContent: "displayName"
}

/** The name of a file. */
export const nameAt = (dialect: DialectName, at: string): string => `${at}.${names[dialect]}`
