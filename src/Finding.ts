/**
 * What the checker says about a policy, and where.
 *
 * A finding keeps the path into the policy's JSON, from which the place in the author's own terms (`routes[3] "canary".to.first[0]`) is derived here
 * and, for JSON and YAML, line and column by whoever read the file.
 */

import type { Situation } from "./Situation.ts"

export type Path = ReadonlyArray<PropertyKey>

export interface Finding {
  /** Stable, in kebab-case: `unknown-target`. */
  readonly code: string
  /** An error keeps the policy from being served; a warning fails `check --strict`; a note is there for who asks. */
  readonly level: "error" | "warning" | "note"
  /** Into the JSON of the policy. */
  readonly path: Path
  /** The same place in the author's terms. */
  readonly place: string
  readonly message: string
  /** What would mend it. */
  readonly fix?: string
  /** A call that shows it. */
  readonly witness?: Situation
}

const child = (value: unknown, key: PropertyKey): unknown =>
  typeof value === "object" && value !== null && Object.hasOwn(value, key) ? (value as Record<PropertyKey, unknown>)[key] : undefined

/** What lies at `path`; undefined where nothing does. */
export const valueAt = (json: unknown, path: Path): unknown => path.reduce(child, json)

/** A value as a message shows it: its JSON, not too long. */
export const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? "nothing"
  return `\`${text.length > 60 ? `${text.slice(0, 57)}...` : text}\``
}

const tagOf = (value: unknown): unknown => child(value, "_tag")

/** What wraps the strategy in `of`, in the author's word. */
const wrappers: Readonly<Record<string, string>> = {
  First: "first",
  Within: "within",
  Spread: "spread",
  Retry: "retry",
  Hedge: "hedge",
  Shadow: "shadow",
  Escalate: "escalate"
}

/** Whether the entries of the list at `path` have names of their own. */
const isNamed = (path: Path): boolean =>
  (path.length === 1 && (path[0] === "routes" || path[0] === "guards" || path[0] === "layers")) ||
  (path.length === 3 && path[0] === "layers" && path[2] === "guards")

/** Renders `path` as the author wrote it: `of` and `arms` disappear behind the name of their construct. */
export const placeOf = (policy: unknown, path: Path): string => {
  let text = ""
  let value = policy
  let i = 0
  while (i < path.length) {
    const key = path[i]!
    const tag = tagOf(value)
    const next = path[i + 1]
    if (key === "of" && typeof tag === "string" && Object.hasOwn(wrappers, tag)) {
      text += `.${wrappers[tag]!}`
    } else if (key === "of" && i === 2 && path[0] === "pools" && typeof next === "number") {
      // A pool is a list with a name.
    } else if (tag === "When" && (key === "then" || key === "otherwise" || key === "if")) {
      text += `.when.${key}`
    } else if (tag === "Hedge" && (key === "with" || key === "after")) {
      text += `.hedge.${key}`
    } else if (tag === "Shadow" && (key === "copy" || key === "sample")) {
      text += `.shadow.${key}`
    } else if (tag === "Escalate" && (key === "to" || key === "if")) {
      text += `.escalate.${key}`
    } else if (tag === "Split" && key === "arms" && typeof next === "number") {
      const arm = child(child(value, "arms"), next)
      const name = child(arm, "name")
      text += typeof name === "string" ? `.split.${name}` : `.split[${next}]`
      const part = path[i + 2]
      if (part === "to" || part === undefined || part === "weight" || part === "name") {
        value = part === undefined ? arm : child(arm, part)
        i += 3
        continue
      }
      value = arm
      i += 2
      continue
    } else if (typeof key === "number") {
      text += `[${key}]`
      const name = child(child(value, key), "name")
      if (isNamed(path.slice(0, i)) && typeof name === "string") text += ` ${JSON.stringify(name)}`
    } else {
      const word = String(key)
      text += /^[A-Za-z_$][\w$-]*$/.test(word) ? (text === "" ? word : `.${word}`) : `[${JSON.stringify(word)}]`
    }
    value = child(value, key)
    i++
  }
  return text
}

/** The call that shows a finding, as it can be pasted into a case. */
export const renderWitness = (witness: Situation): string => `witness  ${JSON.stringify(witness)}`

/** One line for people: level, place, message and fix. */
export const render = (finding: Finding, at?: string): string =>
  `${finding.level}[${finding.code}] ${at === undefined ? "" : `${at} `}${finding.place === "" ? "" : `${finding.place}: `}${finding.message}${
    finding.fix === undefined ? "" : `; ${finding.fix}`
  }`
