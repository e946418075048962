/**
 * Turns what the words have built into plain JSON data, and says where that is not possible. Runs once, when a policy file is evaluated.
 *
 * `JSON.stringify` alone would drop a function and write `null` for `NaN`, and the fault would surface later under another name.
 */

type Path = ReadonlyArray<string | number>

/** A path as an author reads it: `routes[2].to.of[0]`. */
const show = (path: Path): string =>
  path.length === 0
    ? "the policy"
    : "`" + path.map((step, index) => (typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`)).join("") + "`"

const nameOf = (value: object): string => {
  const name: unknown = Object.getPrototypeOf(value)?.constructor?.name
  return typeof name === "string" && name !== "" ? `an instance of \`${name}\`` : "an object with a prototype"
}

const isBare = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

const go = (value: unknown, path: Path, parents: ReadonlyArray<object>): unknown => {
  const fail = (what: string): never => {
    throw new TypeError(`${show(path)} holds ${what}; a policy is plain data: texts, numbers, booleans, lists and objects`)
  }
  switch (typeof value) {
    case "string":
    case "boolean":
      return value
    case "number":
      // `+ 0` turns -0 into 0, as JSON does.
      return Number.isFinite(value) ? value + 0 : fail(`\`${value}\``)
    case "object":
      break
    case "function":
      return fail(value.name === "" ? "a function" : `the function \`${value.name}\` (is it called?)`)
    default:
      return fail(typeof value === "undefined" ? "`undefined`" : `a ${typeof value}`)
  }
  if (value === null) return value
  if (parents.includes(value)) return fail("itself")
  const within = [...parents, value]
  if (Array.isArray(value)) return Array.from(value, (item, index) => go(item, [...path, index], within))
  if ("toJSON" in value && typeof value.toJSON === "function") return go(value.toJSON(), path, within)
  if (!isBare(value)) return fail(nameOf(value))
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) => (item === undefined ? [] : [[key, go(item, [...path, key], within)] as const]))
  )
}

/**
 * A deep copy that is plain JSON data. Fields that are `undefined` are left out; anything else that JSON cannot hold is thrown as a
 * `TypeError`.
 */
export const plain = (value: unknown): unknown => go(value, [], [])
