/**
 * What is wrong with the form of a model or a row of traffic, in words for whoever wrote it.
 */
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import { type Path, shown, valueAt } from "../Finding.ts"
import { didYouMean } from "../Suggest.ts"

/** Something is wrong, and where. */
export interface Problem {
  /** Into the JSON. */
  readonly path: Path
  readonly message: string
}

const marker = "\0"

/** A name that is none of those that there are, with the nearest. */
export const unknownName = (kind: string, name: string, names: Iterable<string>): string => {
  const known = [...names]
  const hint =
    didYouMean(name, known) ?? (known.length === 0 ? "there are none" : `known are ${known.map((one) => `\`${one}\``).join(", ")}`)
  return `unknown ${kind} \`${name.slice(0, 256)}\`; ${hint}`
}

/** Every problem that `issue` tells of `json`. */
export const problemsOf = (json: unknown, issue: SchemaIssue.Issue): ReadonlyArray<Problem> => {
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1({
    leafHook: (leaf) => {
      if (leaf._tag !== "UnexpectedKey") return SchemaIssue.defaultLeafHook(leaf)
      const fields = SchemaAST.isObjects(leaf.ast) ? leaf.ast.propertySignatures.map((signature) => String(signature.name)) : []
      return marker + fields.join(",")
    }
  })(issue)
  return issues.map(({ message, path: segments }) => {
    const path: Path = (segments ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment))
    if (message.startsWith(marker)) {
      return { path, message: unknownName("field", String(path.at(-1)), message.slice(marker.length).split(",")) }
    }
    if (message === "Missing key") return { path: path.slice(0, -1), message: `\`${String(path.at(-1))}\` is missing` }
    return { path, message: `${message.replace(/^(Expected )?/, "expected ")}, but found ${shown(valueAt(json, path))}` }
  })
}

/** The place in words: `events[2].outage`; empty for the whole. */
export const placeOf = (path: Path): string =>
  path.map((key, i) => (typeof key === "number" ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`)).join("")

/** A problem with its place. */
export const render = ({ message, path }: Problem): string => (path.length === 0 ? message : `${placeOf(path)}: ${message}`)
