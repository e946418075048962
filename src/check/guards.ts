/**
 * Guards that say what their author means: conditions are typed, names exist, each has something to keep out, none keeps out everything, and none works only because
 * something is not known.
 *
 * An organisation lays its guards over policies that it has not seen, so what would be a misspelling in a policy's own guard is there a rule about others: of a layer's
 * guard that means nothing here only a note is made. What guards leave of a route, and for whom, is another question (`callers.ts`).
 */
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import { factNames, typeOf } from "../Facts.ts"
import type { Path } from "../Finding.ts"
import { fits, type Guarded, keepsOut } from "../Guards.ts"
import { guardsOf, type PlacedGuard } from "../Layers.ts"
import type { Guard, Policy, Selector } from "../Policy.ts"
import type { PriceSource } from "../Price.ts"
import { didYouMean } from "../Suggest.ts"
import { overriddenTarget, regionOf, vendorOf } from "../Target.ts"
import { isSound } from "./sound.ts"
import { sendsOf } from "./walk.ts"

type Field = keyof Selector

/** Whether a guard may let a model in that nobody has declared; which one is not known. */
const mayLetIn = (policy: Policy, { forbid, require }: Guard): boolean =>
  Object.entries(policy.providers).some(([name, provider]) => {
    if (!provider.open) return false
    const { models, ...selector } = (forbid ?? require)!
    const fit = fits(selector, {
      name,
      declared: false,
      provider: name,
      model: "",
      deployment: "",
      region: provider.region ?? null,
      vendor: vendorOf(provider),
      tags: [],
      capabilities: {},
      price: undefined
    })
    return forbid === undefined ? fit !== false : fit !== true || models !== undefined
  })

/** The declared targets that are sound enough to look at, as they are and as a `send` serves them elsewhere. */
const guarded = (policy: Policy, prices: PriceSource): ReadonlyArray<Guarded> => {
  return [
    ...Object.keys(policy.targets).map((name) => ({ of: { target: name, set: {} } })),
    ...sendsOf(policy).flatMap(({ of: { set, target } }) => (set === undefined ? [] : [{ of: { target, set } }]))
  ].flatMap(({ of: { set, target } }) => (isSound(policy, target) ? [overriddenTarget(policy, target, set, prices)] : []))
}

/** What of a target a field of a selector goes by that may not be known, and where to declare it. */
const unknowns: Partial<Record<Field, { readonly what: string; readonly declare: string }>> = {
  regions: { what: "where each is served", declare: "the `region` of each, or of its provider" },
  capabilities: { what: "what each can do", declare: "it in `capabilities` of each" },
  inputAbove: { what: "what each costs", declare: "the `price` of each" },
  outputAbove: { what: "what each costs", declare: "the `price` of each" }
}

const quoted = (names: ReadonlyArray<string>): string => [...new Set(names)].map((name) => `\`${name}\``).join(", ")

export const checkGuards = (policy: Policy, found: Found, prices: PriceSource): void => {
  const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
  const targets = guarded(policy, prices)
  const isOpen = Object.values(policy.providers).some((provider) => provider.open)
  const regions = new Set([
    ...Object.values(policy.targets).map((target) => regionOf(policy, target)),
    ...Object.values(policy.providers).map(({ region }) => region ?? null),
    ...sendsOf(policy).map(({ of }) => of.set?.region ?? null)
  ])

  /** The names that a field may use, where they are known. */
  const known: ReadonlyArray<{
    readonly field: Field
    readonly names: ReadonlyArray<string>
    readonly code?: string
    readonly lacks: string
  }> = [
    { field: "targets", names: Object.keys(policy.targets), code: "unknown-target", lacks: "no target is called" },
    { field: "providers", names: Object.keys(policy.providers), code: "unknown-provider", lacks: "no provider is called" },
    { field: "regions", names: [...regions].filter((region) => region !== null), lacks: "nothing is served in" },
    { field: "tags", names: [...new Set(Object.values(policy.targets).flatMap(({ tags }) => tags))], lacks: "no target has the tag" },
    // Callers of an open provider may name any model.
    ...(isOpen
      ? []
      : [
          {
            field: "models" as const,
            names: targets.flatMap(({ deployment, model }) => [model, deployment]),
            lacks: "no target is of the model"
          }
        ])
  ]

  /** Names that mean nothing. */
  const checkNames = (selector: Selector, at: Path, layer: string | undefined): void => {
    for (const { code, field, lacks, names } of known) {
      for (const [i, name] of ((selector[field] ?? []) as ReadonlyArray<string>).entries()) {
        if (names.some((other) => other === name || (field === "models" && other.toLowerCase() === name.toLowerCase()))) continue
        const [path, fix] = [[...at, field, i], didYouMean(name, names)]
        if (layer === undefined && code !== undefined) found("error", path, code, `${lacks} \`${name}\``, fix)
        else found(layer === undefined ? "warning" : "note", path, "guard-matches-nothing", `${lacks} \`${name}\``, fix)
      }
    }
  }

  const checkOne = ({ guard, layer, path }: PlacedGuard): void => {
    if (guard.when !== undefined) {
      Condition.parse(guard.when, [...path, "when"], vocabulary, (at, code, message, fix) => found("error", at, code, message, fix))
    }
    const kind = guard.forbid === undefined ? "require" : "forbid"
    const selector = guard[kind]!
    const at = [...path, kind]
    checkNames(selector, at, layer)

    const outcomes = targets.map((target) => ({ target, ...keepsOut(guard, target) }))
    const lost = outcomes.filter(({ out }) => out)
    const nothingLeft = targets.length > 0 && lost.length === targets.length && !mayLetIn(policy, guard)
    // What is kept out because something is not known is said below, and may be in once it is.
    if (nothingLeft && !lost.some(({ unknown }) => unknown)) {
      if (kind === "require") {
        const fix = guard.when === undefined ? "declare a target that does" : "declare a target that does, or `deny` these calls in a route"
        found("error", at, "guard-leaves-nothing", "no target meets this, so nothing could be called", fix)
      } else if (guard.when === undefined) {
        found("error", at, "guard-leaves-nothing", "this forbids every target, so nothing could be called", "forbid less, or say `when`")
      }
    }
    if (lost.length === 0 && targets.length > 0 && !isOpen && Object.keys(selector).length > 1) {
      found(
        layer === undefined ? "warning" : "note",
        at,
        "guard-matches-nothing",
        kind === "forbid"
          ? "no target is all of this at once, so nothing is forbidden"
          : "every target is all of this, so nothing is required"
      )
    }

    // By what is missing, so that one finding says all that it is missing of.
    for (const field of Object.keys(selector) as ReadonlyArray<Field>) {
      const words = unknowns[field]
      if (words === undefined) continue
      const unknown = outcomes.filter(({ target, unknown }) => unknown && fits({ [field]: selector[field] }, target) === undefined)
      if (unknown.length === 0) continue
      const names = quoted(unknown.map(({ target }) => target.name))
      found(
        "warning",
        [...at, field],
        "guard-unknown",
        `guard \`${guard.name}\` keeps ${names} out: it is not known ${words.what}`,
        `declare ${words.declare}`
      )
    }
  }

  for (const placed of guardsOf(policy)) checkOne(placed)
}
