/**
 * The models that a caller may ask for, as the dialects list them. Runs on the control plane, when a client looks what there is.
 */
import { keepsOut } from "./Guards.ts"
import type { Compiled } from "./Compile.ts"
import { guardsOf } from "./Layers.ts"
import type { Target } from "./Target.ts"

/** A name that a caller may use as its model. */
export interface Listed {
  readonly name: string
  /** The name of the provider in the policy; `turnout` for a name that only routes know. */
  readonly owner: string
  /** Tokens, where known. */
  readonly contextWindow: number | undefined
  readonly maxOutputTokens: number | undefined
  /** Whether its tokens can be counted without an answer; of a name that only routes know, whether those of every target can. */
  readonly counts: boolean
}

/** How a dialect lists models. */
export interface ModelList {
  readonly all: (models: ReadonlyArray<Listed>) => unknown
  readonly one: (model: Listed) => unknown
}

/** The models that callers of a class may use. */
export const modelsFor = (compiled: Compiled, className: string): ReadonlyArray<Listed> => {
  const grant = compiled.grants(className)
  const always = guardsOf(compiled.policy).filter(({ guard }) => guard.when === undefined)
  const granted = compiled.models
    .list()
    .filter(({ target }) => grant(target) === undefined && !always.some(({ guard }) => keepsOut(guard, target).out))
  const counts = ({ dialects }: Target): boolean => dialects.some(({ counting }) => counting !== undefined)
  const allCount = granted.every(({ target }) => counts(target))
  return [
    ...compiled.models.mentioned.map((name) => ({
      name,
      owner: "turnout",
      contextWindow: undefined,
      maxOutputTokens: undefined,
      counts: allCount
    })),
    ...granted.map(({ name, target }) => ({
      name,
      owner: target.provider,
      contextWindow: target.capabilities.contextWindow,
      maxOutputTokens: target.maxOutputTokens,
      counts: counts(target)
    }))
  ]
}
