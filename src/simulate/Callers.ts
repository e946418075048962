/**
 * Who sends a row of traffic, and which model it asks for, where the row does not say: what the command line names, else one of the policy's keys by the
 * seed, and the first target that its class may use.
 */
import * as Result from "effect/Result"
import type { Compiled } from "../Compile.ts"
import { callersOf, local } from "../Keys.ts"
import { unknownName } from "./Form.ts"
import { below, derive, deriveText } from "./Random.ts"
import type { Row } from "./Traffic.ts"

export interface CallerOptions {
  /** The key of rows that name none. */
  readonly as?: string | undefined
  /** The model of rows that name none. */
  readonly ask?: string | undefined
}

export interface Callers {
  /** The names that rows may have in `key`; undefined where the policy has no keys, so that any will do. */
  readonly keys: ReadonlySet<string> | undefined
  /** The name of the key, which is its secret here. */
  readonly keyOf: (row: Row, call: number) => string | undefined
  readonly modelOf: (row: Row, key: string | undefined) => string
}

/** Works out who calls; a problem names the option that is wrong. */
export const callers = (compiled: Compiled, seed: number, { as, ask }: CallerOptions): Result.Result<Callers, string> => {
  const known = callersOf(compiled.policy)
  const names = [...known.keys()]
  if (as !== undefined && names.length === 0) return Result.fail(`--as \`${as}\`: the policy has no keys, so every caller is \`local\``)
  if (as !== undefined && !known.has(as)) return Result.fail(`--as: ${unknownName("key", as, names)}`)
  if (ask !== undefined && compiled.models.resolve(ask)._tag === "Unknown" && !compiled.models.mentioned.includes(ask)) {
    return Result.fail(
      `--ask: ${unknownName("model", ask, [...compiled.models.mentioned, ...compiled.models.list().map(({ name }) => name)])}`
    )
  }

  const firstOf = (className: string): string | undefined => {
    const grant = compiled.grants(className)
    const targets = [...compiled.targets.values()]
    return (targets.find((target) => grant(target) === undefined) ?? targets[0])?.name
  }
  const models = new Map<string | undefined, string>()
  for (const key of [undefined, ...names]) {
    const model = ask ?? firstOf((key === undefined ? local : known.get(key)!).class)
    if (model === undefined)
      return Result.fail("the policy declares no target that rows could ask for by default: name a model with `--ask`")
    models.set(key, model)
  }

  const luck = deriveText(derive(0, seed), "callers")
  return Result.succeed({
    keys: names.length === 0 ? undefined : new Set(names),
    keyOf: ({ details }, call) => details.key ?? as ?? (names.length === 0 ? undefined : names[below(luck, call, names.length)]),
    // INVARIANT: a key of a row is one of `keys`, where there are any.
    modelOf: ({ details }, key) => details.model ?? models.get(key) ?? models.get(undefined)!
  })
}
