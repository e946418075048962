/**
 * JSON with places: accepts what `JSON.parse` accepts, except a field that is there twice, and says where and why it refuses the rest.
 *
 * `JSON.parse` gives no place for many faults and keeps the last of two fields in silence; a YAML parser knows places but accepts more
 * than JSON and, at its edges (tabs, long keys), less. The value itself still comes from `JSON.parse`.
 */
import type { Parsed, Tree } from "./Places.ts"

class Fault extends Error {
  readonly offset: number
  constructor(problem: string, offset: number) {
    super(problem)
    this.offset = offset
  }
}

/** Nesting that no author reaches, and no stack minds. */
const maxDepth = 500

const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const literal = /true|false|null/y
// eslint-disable-next-line no-control-regex -- JSON forbids exactly these in a string
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
/** The longest right beginning of a string, to say where it goes wrong. */
// eslint-disable-next-line no-control-regex -- as above
const stringStart = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y

/** Reads one file. */
const scan = (text: string): Tree => {
  let at = 0

  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }
  const found = (): string => {
    if (at >= text.length) return "the end of the file"
    const character = String.fromCodePoint(text.codePointAt(at)!)
    return character === "\uFEFF"
      ? "a byte order mark"
      : character === "\n" || character === "\r"
        ? "the end of the line"
        : `\`${character}\``
  }
  const fail = (expected: string): never => {
    const hint = text.startsWith("//", at) || text.startsWith("/*", at) || text[at] === "#" ? "; JSON has no comments, YAML has" : ""
    throw new Fault(`expected ${expected}, but found ${found()}${hint}`, at)
  }

  const takeString = (): string | undefined => {
    const start = at
    const token = take(string)
    if (token !== undefined) return JSON.parse(token) as string
    if (text[at] !== '"') return undefined
    at = start
    take(stringStart)
    return fail(text[at] === "\\" ? "an escape that JSON knows" : 'the closing `"` of a text')
  }

  const list = (close: string, entry: (index: number) => void): void => {
    at += 1
    take(space)
    if (text[at] === close) {
      at += 1
      return
    }
    for (let index = 0; ; index++) {
      entry(index)
      take(space)
      if (text[at] === close) {
        at += 1
        return
      }
      if (text[at] !== ",") fail(`\`,\` or \`${close}\``)
      const comma = at
      at += 1
      take(space)
      if (text[at] === close) throw new Fault(`expected no \`,\` before \`${close}\``, comma)
    }
  }

  const value = (depth: number): Tree => {
    if (depth > maxDepth) throw new Fault(`expected at most ${maxDepth} levels`, at)
    take(space)
    const offset = at
    if (text[at] === "{") {
      const children = new Map<string, Tree>()
      list("}", () => {
        const start = at
        const name = takeString() ?? fail("a field's name in `\"`")
        if (children.has(name)) throw new Fault(`the field \`${name}\` is there twice`, start)
        take(space)
        if (text[at] !== ":") fail(`\`:\` after \`${name}\``)
        at += 1
        const child = value(depth + 1)
        children.set(name, child.children === undefined ? child : { ...child, offset: start })
      })
      return { offset, children }
    }
    if (text[at] === "[") {
      const children = new Map<string, Tree>()
      list("]", (index) => void children.set(String(index), value(depth + 1)))
      return { offset, children }
    }
    if ((takeString() ?? take(number) ?? take(literal)) === undefined) fail("a value")
    return { offset }
  }

  const tree = value(0)
  take(space)
  if (at < text.length) fail("nothing more")
  return tree
}

/** Parses a JSON file. */
export const parseJson = (text: string): Parsed => {
  try {
    const tree = scan(text)
    return { _tag: "Data", json: JSON.parse(text), tree }
  } catch (error) {
    if (error instanceof Fault) return { _tag: "Fault", problem: error.message, offset: error.offset }
    throw error
  }
}
