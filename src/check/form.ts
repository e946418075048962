/**
 * Faults of form, in the author's words: what the schema's issues say, with the known fields and cases to suggest from.
 */
import * as SchemaAST from "effect/SchemaAST"
import * as SchemaIssue from "effect/SchemaIssue"
import type { Found } from "../Check.ts"
import { type Path, shown, valueAt } from "../Finding.ts"
import type { Strategy } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"

const tags = {
  Send: true,
  Asked: true,
  Deny: true,
  First: true,
  Split: true,
  Spread: true,
  Pool: true,
  When: true,
  Hedge: true,
  Shadow: true,
  Escalate: true,
  Within: true,
  Retry: true
} satisfies Record<Strategy["_tag"], true>
const strategies = Object.keys(tags)

/** Where amounts of money stand. */
const amounts = new Set(["limit", "dollars", "input", "output", "cacheRead", "cacheWrite", "inputAbove", "outputAbove"])

const strategyWanted = "expected a strategy or a target's name"
const memberWanted = "expected a target's name or `Send`"

const secretFields: ReadonlySet<unknown> = new Set(["key", "secret", "credentials"])

/** Whether `path` is one of a provider's several keys, the list of them, or in one. */
const isAmongKeys = (path: Path): boolean => path[0] === "providers" && path[2] === "keys"

/** Whether a value holds texts where secrets stand that do not name a variable. */
const exposes = (value: unknown, within = false): boolean => {
  if (typeof value === "string") return within
  if (typeof value !== "object" || value === null) return false
  return Object.entries(value).some(
    ([field, inner]) =>
      !(field === "env" && typeof inner === "string" && /^[A-Za-z_]\w*$/.test(inner)) &&
      exposes(inner, within || field === "keys" || secretFields.has(field))
  )
}

/** Where the name of a variable or a hash belongs stands at times the secret itself, and in an address a password; findings end up in logs. */
const mayBeSecret = (path: Path, value: unknown): boolean =>
  path.some((part) => secretFields.has(part)) ||
  (isAmongKeys(path) && path[4] !== "weight") ||
  (path.at(-2) === "headers" && typeof path.at(-1) === "string") ||
  (path[0] === "keys" && path.length < 3) ||
  (typeof value === "string" && /:\/\/[^/]*@/.test(value)) ||
  exposes(value)

/** A key's secret is `env` or `sha256`: where its author has written one of them, what the schema says of the other helps nobody. */
const ofOtherSecret = (json: unknown, path: Path, unknown: boolean): boolean => {
  if (path.length !== 4 || path[0] !== "keys" || path[2] !== "secret") return false
  const written = ["env", "sha256"].filter((name) => Object.hasOwn(valueAt(json, path.slice(0, 3)) as object, name))
  return written.length === 1 && unknown === written.includes(String(path[3]))
}

/** One of several keys of a provider is a secret, or has a `key` and a `weight`: what the schema says of the form that was not meant helps nobody. */
const ofOtherKey = (json: unknown, path: Path, known: ReadonlyArray<string> | undefined): boolean => {
  if (!isAmongKeys(path) || path.length !== 5) return false
  const written = valueAt(json, path.slice(0, 4)) as object
  const isShort = Object.hasOwn(written, "env") && !Object.hasOwn(written, "key")
  return known === undefined ? path[4] === (isShort ? "key" : "env") : known.includes("env") !== isShort
}

/** The fields that an object may have where a key was unexpected. */
const fieldsOf = (ast: SchemaAST.AST): ReadonlyArray<string> =>
  SchemaAST.isObjects(ast) ? ast.propertySignatures.map((signature) => String(signature.name)) : []

/** Whether a member of `spread` or of a pool is expected at `path`: one target, and no other strategy. */
const isMember = (json: unknown, path: Path): boolean =>
  typeof path.at(-1) === "number" &&
  path.at(-2) === "of" &&
  ((path.length === 4 && path[0] === "pools") || (valueAt(json, path.slice(0, -2)) as { readonly _tag?: unknown })._tag === "Spread")

const isObject = (value: unknown): boolean => typeof value === "object" && value !== null && !Array.isArray(value)

/** Where the value is of another type than the field, what the author may have meant by it. */
const instead = (value: unknown, path: Path, expected: string): string | undefined => {
  const field = path.at(-1)
  if (isAmongKeys(path) && field !== "weight" && !expected.includes("environment variable"))
    return path.length === 3
      ? 'a list of variables that hold keys: `[{ "env": "NAME" }]`'
      : 'name the variable that holds the key: `{ "env": "NAME" }`'
  if (typeof value === "string" && secretFields.has(field) && !expected.includes("environment variable"))
    return 'name the variable that holds it: `{ "env": "NAME" }`'
  if (path.length === 1 && field === "version") return "this Turnout reads version 1"
  if (typeof value === "number" && expected.endsWith("object") && amounts.has(String(field))) return `write { "usd": ${value} }`
  if (typeof value === "string" && expected === "expected array") return `write ${JSON.stringify([value])}`
  if (typeof value === "string" && field === "zone") return didYouMean(value, Intl.supportedValuesOf("timeZone"))
  return undefined
}

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
    if ((known !== undefined || message === "Missing key") && ofOtherKey(json, path, known)) continue
    if (known?.length === 0) {
      // Only a record, whose keys are names, has no fields of its own.
      if (path.at(-2) === "headers")
        found(
          "error",
          path,
          "wrong-form",
          `\`${key}\` is not a header that a policy sets`,
          "a name in lower case, and neither a credential nor the connection's"
        )
      else if (key === "") found("error", path, "wrong-form", "a name is empty")
      else found("error", path, "wrong-form", `\`${key}\` is not a name`, "names are a letter, then at most 63 letters, digits, `-` or `_`")
      continue
    }
    if (known !== undefined) {
      const fix = isAmongKeys(path) && key === "weight" ? 'say `{ "key": { "env": … }, "weight": … }`' : didYouMean(key, known)
      found("error", path, "unknown-field", `\`${key}\` is not a field here`, fix ?? `known are ${known.join(", ")}`)
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
    if (message.includes("_tag") || message.includes("Strategy") || message.includes("Send")) {
      const member = isMember(json, path)
      const wanted = member ? memberWanted : strategyWanted
      if (!isObject(value)) {
        found("error", path, "wrong-form", `${wanted}, but found ${shown(value)}`)
        continue
      }
      const tag = (value as { readonly _tag?: unknown })._tag
      if (member && typeof tag === "string" && strategies.includes(tag)) {
        found("error", path, "wrong-form", `${wanted}, but found \`${tag}\``, "put it around the whole, or name its targets here")
        continue
      }
      const fix = typeof tag === "string" ? didYouMean(tag, member ? ["Send"] : strategies) : undefined
      found(
        "error",
        path,
        "unknown-strategy",
        tag === undefined ? "a strategy without `_tag`" : `unknown strategy ${shown(tag)}`,
        fix ?? (member ? memberWanted : `known are ${strategies.join(", ")}, or a target's name`)
      )
      continue
    }
    const expected = message
      .replace(/^(Expected )?/, "expected ")
      .replace("expected a value with a length of at least 1", "expected at least one character")
    const literals = [...expected.matchAll(/"([^"]+)"/g)].map((match) => match[1]!)
    const fix = typeof value === "string" && expected.includes(" | ") ? didYouMean(value, literals) : instead(value, path, expected)
    found("error", path, "wrong-form", mayBeSecret(path, value) ? expected : `${expected}, but found ${shown(value)}`, fix)
  }
}
