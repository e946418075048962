/**
 * From a file of cases to single ones: what all share is laid under each, matrices and tables are written out. Nothing is decoded here but the file's own form, so that what is
 * wrong with a situation is found in each case, and told with its place in the file.
 */
import { type Path, shown } from "../Finding.ts"

/** A file as it is written. */
export interface Written {
  readonly given?: unknown
  readonly cases?: ReadonlyArray<unknown>
  readonly matrices?: ReadonlyArray<{
    readonly name: string
    readonly when: Json
    readonly fails?: unknown
    readonly takes?: Json
    readonly answers?: Json
    readonly expect: Json
  }>
  readonly tables?: ReadonlyArray<{
    readonly name: string
    readonly when?: Json
    readonly fails?: Json
    readonly takes?: Json
    readonly answers?: Json
    readonly columns: ReadonlyArray<string>
    readonly rows: ReadonlyArray<ReadonlyArray<unknown>>
  }>
}

/** More are a mistake: a file of cases is read by people. */
const maxCases = 100_000

export type Json = Readonly<Record<string, unknown>>
/** Whether it is an object and no list. */
export const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)

const ownOf = (value: Json, name: string): unknown => (Object.hasOwn(value, name) ? value[name] : undefined)

/** What a case says over what all cases share. A budget and an instant are said whole. */
const over = (given: unknown, own: unknown, path: ReadonlyArray<string> = []): unknown => {
  if (own === undefined) return given
  if (!isObject(given) || !isObject(own) || path[0] === "as" || path[0] === "at" || (path[0] === "budgets" && path.length === 2)) return own
  const names = new Set([...Object.keys(given), ...Object.keys(own)])
  return Object.fromEntries([...names].map((name) => [name, over(ownOf(given, name), ownOf(own, name), [...path, name])]))
}

/** A value of a matrix, with the words that tell it from its neighbours. */
interface Choice {
  readonly value: unknown
  readonly words: ReadonlyArray<string>
}

/** Where a list is one value, unless it is a list of such. */
const isList = (path: ReadonlyArray<string>): boolean => path.at(-1) === "needs" || path.at(-1) === "tags"

const choices = (value: unknown, path: ReadonlyArray<string>): ReadonlyArray<Choice> => {
  if (Array.isArray(value)) {
    if (isList(path) && !value.some(Array.isArray)) return [{ value, words: [] }]
    return value.flatMap((item: unknown) => {
      const word = `${path.join(".")}: ${typeof item === "string" ? item : JSON.stringify(item)}`
      return [{ value: item, words: value.length > 1 ? [word] : [] }]
    })
  }
  if (!isObject(value)) return [{ value, words: [] }]
  let all: ReadonlyArray<{ readonly value: Json; readonly words: ReadonlyArray<string> }> = [{ value: {}, words: [] }]
  for (const [name, field] of Object.entries(value)) {
    const of = choices(field, [...path, name])
    if (all.length * of.length > maxCases) return []
    all = all.flatMap((before) =>
      of.map((choice) => ({ value: { ...before.value, [name]: choice.value }, words: [...before.words, ...choice.words] }))
    )
  }
  return all
}

/** A case as it comes out of its file, not yet decoded; `place` leads from a path in it to one in the file. */
export interface Single {
  readonly path: Path
  readonly json: unknown
  readonly place: (path: Path) => Path
}

/** Puts `value` into the object at the path that a column names. A budget's name has no dot; a model's may. */
const put = (json: Record<string, any>, column: string, value: unknown): void => {
  const [section, ...rest] = column.split(".") as [string, ...Array<string>]
  const steps =
    section === "fails" || section === "takes" || section === "answers" || section === "expect"
      ? [section, ...(rest.length === 0 ? [] : [rest.join(".")])]
      : ["when", section, ...(section === "health" && rest.length > 1 ? [rest.slice(0, -1).join("."), rest.at(-1)!] : rest)]
  let at = json
  for (const step of steps.slice(0, -1)) at = at[step] = isObject(at[step]) ? { ...at[step] } : {}
  at[steps.at(-1)!] = value
}

/** Every single case of a file. */
export const writtenOut = (file: Written, problem: (path: Path, message: string) => void): ReadonlyArray<Single> => {
  const written: Array<Single> = []
  const given = file.given ?? {}
  const add = (path: Path, json: unknown, place: Single["place"]): void => {
    if (isObject(json)) written.push({ path, place, json: { ...json, when: over(given, json["when"]) } })
    else problem(path, `expected a case, but found ${shown(json)}`)
  }
  for (const [i, json] of (file.cases ?? []).entries()) add(["cases", i], json, (path) => ["cases", i, ...path])
  for (const [i, { answers, expect, fails, name, takes, when }] of (file.matrices ?? []).entries()) {
    const path = ["matrices", i]
    const scripts = Array.isArray(fails) ? (fails as ReadonlyArray<unknown>) : [fails]
    const situations = choices(when, [])
    if (situations.length * scripts.length > maxCases || situations.length === 0) {
      problem(
        path,
        situations.length === 0
          ? `expected values for every field and at most ${maxCases} combinations`
          : `more than ${maxCases} combinations`
      )
      continue
    }
    for (const { value, words } of situations) {
      for (const [at, script] of scripts.entries()) {
        const said = [...words, ...(scripts.length > 1 ? [`fails: ${JSON.stringify(script)}`] : [])]
        const json = {
          name: said.length === 0 ? name : `${name} (${said.join(", ")})`,
          when: value,
          ...(script === undefined ? {} : { fails: script }),
          ...(takes === undefined ? {} : { takes }),
          ...(answers === undefined ? {} : { answers }),
          expect
        }
        add(path, json, (inner) =>
          inner[0] === "fails" && Array.isArray(fails) ? [...path, "fails", at, ...inner.slice(1)] : [...path, ...inner]
        )
      }
    }
  }
  for (const [i, { answers, columns, fails, name, rows, takes, when }] of (file.tables ?? []).entries()) {
    for (const [j, row] of rows.entries()) {
      const path = ["tables", i, "rows", j]
      if (row.length !== columns.length) {
        problem(path, `expected ${columns.length} cells, one for each column, but found ${row.length}`)
        continue
      }
      const json: Record<string, unknown> = {
        ...(when === undefined ? {} : { when }),
        ...(fails === undefined ? {} : { fails }),
        ...(takes === undefined ? {} : { takes }),
        ...(answers === undefined ? {} : { answers }),
        expect: {}
      }
      const said: Array<string> = []
      for (const [k, column] of columns.entries()) {
        const cell = row[k]
        if (cell === "-") continue
        put(json, column, cell)
        if (!column.startsWith("expect.")) said.push(`${column}: ${typeof cell === "string" ? cell : JSON.stringify(cell)}`)
      }
      json["name"] = `${name} (${said.length === 0 ? `row ${j + 1}` : said.join(", ")})`
      // A fault of a column's name is in its column, one of a cell in its row.
      add(path, json, (inner) => {
        const words = inner
          .map(String)
          .filter((word, at) => !(at === 0 && word === "when"))
          .join(".")
        const k = columns.findIndex((column) => words === column || words.startsWith(`${column}.`))
        return k === -1 ? path : [...path, k]
      })
    }
  }
  return written
}
