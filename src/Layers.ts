/**
 * What an organisation lays over a policy: guards, and budgets that bind every caller, whatever their class says.
 *
 * A layer stays apart in the artefact, so that a finding can say whose rule it is, and its rules are only ever added to the policy's own: nothing that a policy says can
 * take one away, and nothing in a layer can grant. Runs at load.
 */
import type { Budget, Guard, Layer, Policy } from "./Policy.ts"

/** A guard with where it stands. */
export interface PlacedGuard {
  readonly guard: Guard
  /** The layer that it belongs to; undefined for the policy's own. */
  readonly layer: string | undefined
  readonly path: ReadonlyArray<string | number>
}

/** Every guard that holds: those of the layers, then the policy's own. */
export const guardsOf = (policy: Pick<Policy, "guards" | "layers">): ReadonlyArray<PlacedGuard> => [
  ...policy.layers.flatMap(({ guards, name }, i) => guards.map((guard, j) => ({ guard, layer: name, path: ["layers", i, "guards", j] }))),
  ...policy.guards.map((guard, i) => ({ guard, layer: undefined, path: ["guards", i] }))
]

/** Every budget by its name, those of the layers first. The checker has refused two of one name. */
export const budgetsOf = (policy: Pick<Policy, "budgets" | "layers">): Readonly<Record<string, Budget>> => {
  const all: Record<string, Budget> = Object.create(null) as Record<string, Budget>
  for (const { budgets } of policy.layers) Object.assign(all, budgets)
  return Object.assign(all, policy.budgets)
}

/** The names of the budgets that bind every caller. */
export const budgetsOfAll = (policy: Pick<Policy, "layers">): ReadonlyArray<string> =>
  policy.layers.flatMap(({ budgets }) => Object.keys(budgets))

const isRecord = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const same = (a: unknown, b: unknown): boolean => {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, i) => same(item, b[i]))
  if (!isRecord(a) || !isRecord(b)) return a === b
  const names = Object.keys(a)
  return names.length === Object.keys(b).length && names.every((name) => Object.hasOwn(b, name) && same(a[name], b[name]))
}

/** A layer with what it says by leaving it out. */
const whole = (layer: unknown): unknown => (isRecord(layer) ? { guards: [], budgets: {}, ...layer } : layer)

/**
 * `policy` as data with `layer` laid over it. Layers that it has already keep their place below; the same one is not there twice, so that a team may take its
 * organisation's layer in for the names of its budgets, and an artefact that has it may be served under it.
 */
export const lay = (layer: unknown, policy: unknown): unknown => {
  if (!isRecord(policy)) return policy
  const { layers } = policy
  const own = Array.isArray(layers) ? (layers as ReadonlyArray<unknown>) : layers === undefined ? [] : [layers]
  return { ...policy, layers: [layer, ...own.filter((one) => !same(whole(one), whole(layer)))] }
}

export type { Layer }
