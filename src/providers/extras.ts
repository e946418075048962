/**
 * What one dialect says and the model has no place for: noted by its path while decoding, put back at its path where the other side speaks the same dialect.
 */
import type { Extra } from "../Conversation.ts"
import type { Loss } from "../Dialect.ts"
import { isObject, type Json } from "./json.ts"

/** Adds `more` to a list. Spread into a call as arguments, a list as long as callers can make it would overflow the engine's stack. */
export const addAll = <A>(list: Array<A>, more: ReadonlyArray<A>): void => {
  for (const one of more) list.push(one)
}

/** Whether a field is there: `null` is absence. */
export const present = (value: unknown): boolean => value !== undefined && value !== null

/** The losses that these extras are where the other side speaks another dialect, which `what` names. */
export const lossesOf = (extras: ReadonlyArray<Extra>, what: string): ReadonlyArray<Loss> =>
  extras.flatMap(({ field, matters, reason }) => (matters ? [{ field, reason: reason ?? `${what} has no such field` }] : []))

/** The keys of a path: `messages[2].content[0].foo` is `messages`, 2, `content`, 0, `foo`. A key that is no plain name is quoted: `metadata["a.b"]`. */
const keysOf = (path: string): ReadonlyArray<string | number> => {
  const keys: Array<string | number> = []
  for (const found of path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)) {
    const [, index, quoted, name] = found
    keys.push(index !== undefined ? Number(index) : quoted !== undefined ? (JSON.parse(`"${quoted}"`) as string) : name!)
  }
  return keys
}

/** `path` and a key under it. */
export const under = (path: string, key: string): string =>
  /^[^.[\]"]+$/.test(key) ? (path === "" ? key : `${path}.${key}`) : `${path}[${JSON.stringify(key)}]`

/** Notes every field of `value` that is neither known nor null. `matters` says whether leaving such a field out is a loss. */
export const noteOthers = (
  extras: Array<Extra>,
  path: string,
  value: Json,
  known: ReadonlySet<string>,
  matters: boolean | ((key: string, value: unknown) => boolean)
): void => {
  for (const key of Object.keys(value)) {
    const found = value[key]
    if (known.has(key) || !present(found)) continue
    extras.push({ field: under(path, key), value: found, matters: typeof matters === "boolean" ? matters : matters(key, found) })
  }
}

/**
 * Puts extras back where they stood. A whole entry of a list is inserted at its index, so the extras of one list must come in its order, and before those of later entries.
 * One whose surroundings are not there is left out, and returned. A value of `undefined` takes out what the encoder wrote and the caller had not. What extras go into has to be the
 * body's own: a conversation is encoded more than once.
 */
export const restore = (body: Record<string, unknown>, extras: ReadonlyArray<Extra>): ReadonlyArray<Extra> =>
  extras.filter(({ field, value }) => {
    const keys = keysOf(field)
    const last = keys.at(-1)
    let place: unknown = body
    for (let i = 0; i < keys.length - 1; i++) {
      const key = keys[i]!
      if (typeof key === "number") place = Array.isArray(place) ? (place[key] as unknown) : undefined
      else if (!isObject(place) || key === "__proto__") place = undefined
      else {
        // A list or an object of which only extras are known is made for them.
        if (!Object.hasOwn(place, key)) (place as Record<string, unknown>)[key] = typeof keys[i + 1] === "number" ? [] : {}
        place = place[key]
      }
    }
    if (typeof last === "number") {
      if (!Array.isArray(place) || last > place.length) return true
      place.splice(last, 0, value)
      return false
    }
    if (last === undefined || last === "__proto__" || !isObject(place)) return true
    ;(place as Record<string, unknown>)[last] = value
    return false
  })
