/**
 * Reads the providers' model of a simulation from JSON or YAML, with the place of everything that is wrong with it.
 */
import { readFileSync } from "node:fs"
import { extname } from "node:path"
import * as Result from "effect/Result"
import type { Policy } from "../../src/Policy.ts"
import { type Model, parseModel, type Problem, problemsWithTimes, render } from "../../src/Simulate.ts"
import { causeOf } from "../Files.ts"
import { parseJson } from "../policyFile/Json.ts"
import { locator, placeOf } from "../policyFile/Places.ts"
import { parseYaml } from "../policyFile/Yaml.ts"

export interface ModelFile {
  readonly model: Model
  /** What is wrong with the times of events, once the start is known: lines with their places. */
  readonly problemsAt: (startMillis: number) => ReadonlyArray<string>
}

const read = (file: string): Result.Result<string, string> => {
  try {
    return Result.succeed(new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(file)))
  } catch (error) {
    if (error instanceof TypeError) return Result.fail("expected UTF-8")
    return Result.fail(causeOf(error))
  }
}

/** Loads the model in `file` for `policy`; a failure has one line for each problem. */
export const loadModel = (file: string, policy: Policy): Result.Result<ModelFile, string> => {
  const text = read(file)
  if (Result.isFailure(text)) return Result.fail(`cannot read the model \`${file}\`: ${text.failure}`)
  const parsed = /^\.ya?ml$/i.test(extname(file)) ? parseYaml(text.success) : parseJson(text.success)
  if (parsed._tag === "Fault") {
    const { column, line } = placeOf(text.success, parsed.offset)
    return Result.fail(`${file}:${line}:${column}: ${parsed.problem}`)
  }
  const locate = locator(text.success, parsed.tree)
  const shown = (problem: Problem): string => {
    const { column, line } = locate(problem.path)
    return `${file}:${line}:${column}: ${render(problem)}`
  }
  const model = parseModel(parsed.json, policy)
  if (Result.isFailure(model)) return Result.fail(model.failure.map(shown).join("\n"))
  return Result.succeed({
    model: model.success,
    problemsAt: (startMillis) => problemsWithTimes(model.success, startMillis).map(shown)
  })
}
