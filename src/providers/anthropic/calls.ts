/**
 * The ids of tool calls in a Messages request: each call has one of its own, and each result that of one call.
 *
 * Claude takes only letters, digits, `_` and `-` there, and refuses an id that two calls have. Other dialects have no ids at all, count them anew in every turn, or put dots and colons there. So ids
 * are cleaned and made unique, and a result goes to the first call of its id, or of its name where there is no id, that has none yet.
 */

interface Call {
  readonly id: string
  readonly name: string
  answered: boolean
}

/** The calls of one id. */
interface Same {
  readonly calls: Array<Call>
  /** By the names of their functions. */
  readonly named: Map<string, Array<Call>>
}

/** The calls written so far. */
export interface Calls {
  readonly taken: Set<string>
  /** By the id that the caller gave them. */
  readonly said: Map<string, Same>
}

export const noCalls = (): Calls => ({ taken: new Set(), said: new Map() })

/** An id in the letters that Claude takes. */
export const cleaned = (id: string): string =>
  id === "" ? "call" : id.replace(/[^\w-]/g, (character) => `_${(character.codePointAt(0) ?? 0).toString(16)}_`)

/** The id of a new call. */
export const idOfCall = ({ said, taken }: Calls, given: string, name: string): string => {
  const base = cleaned(given)
  const before = said.get(given)
  let id = base
  for (let count = (before?.calls.length ?? 0) + 1; taken.has(id); count++) id = `${base}_${count}`
  taken.add(id)
  const call: Call = { id, name, answered: false }
  const same: Same = before ?? { calls: [], named: new Map() }
  if (before === undefined) said.set(given, same)
  same.calls.push(call)
  const alike = same.named.get(name)
  if (alike === undefined) same.named.set(name, [call])
  else alike.push(call)
  return id
}

/** How many of the calls at the beginning of a list have their results, by list: no search begins before them again. */
const passed = new WeakMap<ReadonlyArray<Call>, number>()

/** The first call of a list that has no result yet. */
const firstOpen = (calls: ReadonlyArray<Call>): Call | undefined => {
  let at = passed.get(calls) ?? 0
  while (calls[at]?.answered === true) at++
  passed.set(calls, at)
  return calls[at]
}

/** The id of the call that a result belongs to: the caller's own where there is no such call, undefined where all such calls have their results. */
export const idOfResult = ({ said }: Calls, given: string, name: string | undefined): string | undefined => {
  const same = said.get(given)
  if (same === undefined) return cleaned(given)
  const alike = name === undefined ? undefined : same.named.get(name)
  const call = (alike === undefined ? undefined : firstOpen(alike)) ?? firstOpen(same.calls)
  if (call === undefined) return undefined
  call.answered = true
  return call.id
}
