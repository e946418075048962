/** What the compiler says to authors: nothing about right policies, and one short error at the wrong word about each mistake. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

/** What the project's compiler prints; it exits with 1 or 2 where it finds errors. */
const tsc = (config: string, ...options: ReadonlyArray<string>) =>
  new Promise<string>((resolve) => {
    const args = ["node_modules/typescript/bin/tsc", "-p", `test/authoring/${config}`, "--pretty", "false", ...options]
    execFile(process.execPath, args, { cwd: root, maxBuffer: 1 << 24 }, (_error, stdout, stderr) => resolve(stdout + stderr))
  })

interface Diagnostic {
  readonly line: number
  readonly column: number
  readonly code: string
  readonly message: string
}

/** The errors by file; lines that continue an error belong to the line before. */
const parse = (output: string): ReadonlyMap<string, ReadonlyArray<Diagnostic>> => {
  const files = new Map<string, Array<Diagnostic>>()
  for (const text of output.split("\n")) {
    const match = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/.exec(text)
    if (match === null) continue
    const [, file, line, column, code, message] = match as unknown as [string, string, string, string, string, string]
    const found = files.get(file) ?? []
    files.set(file, [...found, { line: Number(line), column: Number(column), code, message }])
  }
  return files
}

/**
 * The errors that the markers `//! word | code | part of the message` below a line announce. Where the value of a field is wrong the
 * compiler marks the field, so there the field is the word.
 */
const announced = (source: string) => {
  const lines = source.split("\n")
  let line = -1
  return lines.flatMap((text, index) => {
    const marker = /^\s*\/\/! (.*)$/.exec(text)
    if (marker === null) {
      line = index
      return []
    }
    const [word, code, part] = marker[1]!.split(" | ") as [string, string, string]
    // A name is looked for as a word of its own, so that `all` is not found in `small`.
    const at = lines[line]!.search(new RegExp(`(?<![\\w])${word.replace(/[^\w ]/g, "\\$&")}`))
    assert.isAtLeast(at, 0, `line ${line + 1} has no ${word}`)
    return [{ line: line + 1, column: at + 1, code, part }]
  })
}

const instantiations = async (config: string) => Number(/Instantiations:\s+(\d+)/.exec(await tsc(config, "--extendedDiagnostics"))?.[1])

describe("what the compiler says to authors", () => {
  it("one error at each wrong word, and none elsewhere", { timeout: 60_000 }, async () => {
    const found = parse(await tsc("tsconfig.json"))
    const place = ({ code, column, line }: { readonly line: number; readonly column: number; readonly code: string }) =>
      `${line}:${column} ${code}`
    let count = 0
    for (const name of ["mistakes.ts", "composed/mistakes.ts"]) {
      const expected = announced(readFileSync(new URL(`authoring/${name}`, import.meta.url), "utf8"))
      const errors = found.get(`test/authoring/${name}`) ?? []
      assert.deepStrictEqual(errors.map(place).sort(), expected.map(place).sort(), name)
      for (const { column, line, part } of expected) {
        const { message } = errors.find((error) => error.line === line && error.column === column)!
        assert.include(message, part, `${name} line ${line}`)
        assert.isAtMost(message.length, 300, `${name} line ${line}`)
      }
      count += expected.length
    }
    assert.isAtLeast(count, 160)
    const right = [...found.keys()].filter((file) => file.startsWith("test/authoring/") && !file.endsWith("mistakes.ts"))
    assert.deepStrictEqual(right, [])
  })

  it("a policy costs the compiler little", { timeout: 60_000 }, async () => {
    const surface = await instantiations("tsconfig.surface.json")
    assert.isAbove(surface, 0)
    const cost = async (config: string) => (await instantiations(config)) - surface
    // The surface itself and what it imports an editor keeps. Beyond it: 4,150 for `example.ts`, 11,378 and 19,006 for the other two.
    assert.isBelow(await cost("tsconfig.example.json"), 8_000)
    assert.isBelow(await cost("tsconfig.everyWord.json"), 20_000)
    assert.isBelow(await cost("tsconfig.composed.json"), 30_000)
  })
})
