/** The table of codes and the sources agree: whatever is found has a line in it, and whatever has a line can be found. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { codes } from "../../src/Check.ts"

const src = join(import.meta.dirname, "../../src")
const sources = [
  "Check.ts",
  "Condition.ts",
  ...["check", "condition"].flatMap((folder) =>
    readdirSync(join(src, folder), { recursive: true }).map((name) => join(folder, String(name)))
  )
]
  .filter((name) => name.endsWith(".ts") && !name.endsWith("codes.ts"))
  .map((name) => ({ name, text: readFileSync(join(src, name), "utf8") }))

/** The texts that stand directly in the parentheses of a call that begins at `start`, and not in those of another. */
const literalsOf = (text: string, start: number): ReadonlyArray<string> => {
  const found: Array<string> = []
  let depth = 0
  for (const { 0: token, 1: compared } of text
    .slice(start)
    .matchAll(/([=!]== )?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`|[()[\]{}])/g)) {
    if (/^[([{]/.test(token)) depth++
    else if (/^[)\]}]/.test(token)) depth--
    else if (depth === 1 && compared === undefined && token.startsWith('"')) found.push(token.slice(1, -1))
    if (depth === 0) return found
  }
  return found
}

const levels = new Set(["error", "warning", "note"])

/** What stands where a code does: a word in kebab-case among the arguments of what reports findings. */
const codesIn = (text: string): ReadonlyArray<string> =>
  [...text.matchAll(/\b(?:found|report|fault|say)\(/g)]
    .flatMap(({ 0: call, index }) => literalsOf(text, index + call.length - 1))
    .filter((literal) => /^[a-z]+(?:-[a-z]+)*$/.test(literal) && !levels.has(literal))

describe("codes", () => {
  for (const { name, text } of sources) {
    it(`every code in ${name} is in the table`, () => {
      assert.deepStrictEqual(
        codesIn(text).filter((code) => !Object.hasOwn(codes, code)),
        []
      )
    })
  }

  it("every code in the table is in the sources", () => {
    const used = new Set(sources.flatMap(({ text }) => [...text.matchAll(/"([a-z-]+)"/g)].map((match) => match[1])))
    assert.deepStrictEqual(
      Object.keys(codes).filter((code) => !used.has(code)),
      []
    )
  })

  it("says each in one line, in lower case", () => {
    for (const { level, says } of Object.values(codes)) {
      assert.isTrue(levels.has(level))
      assert.match(says, /^[a-z][^\n]*[^.]$/)
    }
  })

  it("the scan sees what it looks for", () => {
    assert.deepStrictEqual(codesIn('found("error", ["a", "b-c"], kind === "last" ? "one-code" : "other-code", `text (x`, f("not-this"))'), [
      "one-code",
      "other-code"
    ])
  })
})
