/**
 * Faults of form, in the author's words: what the schema's issues say, with the known fields and cases to suggest from.
 */
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Found } from "../Check.ts"
import { type Path, placeOf, shown, valueAt } from "../Finding.ts"
import { didYouMean } from "../Suggest.ts"

const strategies = ["Send", "Asked", "Deny", "First", "Split", "When", "Within"]

/** Where the name of a variable or a hash belongs stands at times the secret itself, and in an address a password; findings end up in logs. */
const mayBeSecret = (path: Path, value: unknown): boolean =>
  path.some((part) => part === "key" || part === "secret") ||
  (path[0] === "keys" && path.length < 3) ||
  (typeof value === "string" && /:\/\/[^/]*@/.test(value))

/** A key's secret is `env` or `sha256`: where its author has written one of them, what the schema says of the other helps nobody. */
const ofOtherSecret = (json: unknown, path: Path, unknown: boolean): boolean => {
  if (path.length !== 4 || path[0] !== "keys" || path[2] !== "secret") return false
  const written = ["env", "sha256"].filter((name) => Object.hasOwn(valueAt(json, path.slice(0, 3)) as object, name))
  return written.length === 1 && unknown === written.includes(String(path[3]))
}

/** The fields that an object may have where a key was unexpected. */
const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  SchemaAST.isObjects(ast) ? ast.propertySignatures.map((signature) => String(signature.name)) : []

export const formFindings = (json: unknown, issue: SchemaIssue.Issue, found: Found): void => {
  const fields = new Map<string, ReadonlyArray<string>>()
  const marker = "\0unknown:"
  const { issues } = SchemaIssue.makeFormatterStandardSchemaV1({
    leafHook: (leaf) => {
      if (leaf._tag !== "UnexpectedKey") return SchemaIssue.defaultLeafHook(leaf)
      const known = fieldsOf(leaf.ast)
      const key = `${marker}${known.join(",")}`
      fields.set(key, known)
      return key
    }
  })(issue)
  for (const { message, path: segments } of issues) {
    const path: Path = (segments ?? []).map((segment) => (typeof segment === "object" ? segment.key : segment))
    const key = String(path.at(-1) ?? "")
    const known = fields.get(message)
    const value = valueAt(json, path)
    if ((known !== undefined || message === "Missing key") && ofOtherSecret(json, path, known !== undefined)) continue
    if (known?.length === 0) {
      // Only a record, whose keys are names, has no fields of its own.
      found("error", path, "wrong-form", `\`${key}\` is not a name`, "names are a letter, then at most 63 letters, digits, `-` or `_`")
      continue
    }
    if (known !== undefined) {
      found("error", path, "unknown-field", `\`${key}\` is not a field here`, didYouMean(key, known) ?? `known are ${known.join(", ")}`)
      continue
    }
    if (message === "Missing key" && typeof path.at(-1) === "number") {
      found("error", path.slice(0, -1), "wrong-form", "expected at least one, but the list is empty")
      continue
    }
    if (message === "Missing key") {
      found("error", path, "missing-field", `\`${key}\` is missing`)
      continue
    }
    const place = placeOf(json, path)
    if (
      /^routes\[.*\.to\b/.test(place) &&
      typeof value === "object" &&
      value !== null &&
      !Array.isArray(value) &&
      message.includes("_tag")
    ) {
      const tag = (value as { readonly _tag?: unknown })._tag
      const fix = typeof tag === "string" ? didYouMean(tag, strategies) : undefined
      found(
        "error",
        path,
        "unknown-strategy",
        `${tag === undefined ? "a strategy without `_tag`" : `unknown strategy ${shown(tag)}`}`,
        fix ?? `known are ${strategies.join(", ")}, or a target's name`
      )
      continue
    }
    const expected = message
      .replace(/^(Expected )?/, "expected ")
      .replace(/^expected \{ readonly "_tag": .*$/, "expected a strategy or a target's name")
    const literals = [...expected.matchAll(/"([^"]+)"/g)].map((match) => match[1]!)
    const fix = typeof value === "string" && expected.includes(" | ") ? didYouMean(value, literals) : undefined
    found("error", path, "wrong-form", mayBeSecret(path, value) ? expected : `${expected}, but found ${shown(value)}`, fix)
  }
}
