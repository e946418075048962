/**
 * Limits on money that can hold, and that mean something: whatever is spent under one has a price and an end, none is hidden behind a tighter one, and an attempt fits.
 *
 * A budget that can never be the first to refuse is a rule that its author believes in and that does nothing. It is found where a budget of the same callers, for an account
 * that is at least as wide and a window that is at least as long, has no larger limit: whatever is spent of the one is spent of the other.
 */
import { boundOf } from "../Bound.ts"
import type { Found } from "../Check.ts"
import { askOfTokens } from "../Costs.ts"
import type { Path } from "../Finding.ts"
import { grantsAll, makeGrants } from "../Grants.ts"
import { local } from "../Keys.ts"
import { limitsOf } from "../Limits.ts"
import { type Budget, type Policy, toNanoDollars } from "../Policy.ts"
import { dollars } from "../Text.ts"
import { type Candidates, sendsIn } from "./candidates.ts"
import { everything } from "./space.ts"
import { sendsOf, strategiesOf } from "./walk.ts"

/** A budget, with whom it binds. */
interface Placed {
  readonly name: string
  readonly budget: Budget
  readonly path: Path
  /** As a message names it: with its layer. */
  readonly called: string
  /** Undefined for everybody. */
  readonly classes: ReadonlySet<string> | undefined
}

const budgetsIn = (policy: Policy): ReadonlyArray<Placed> => [
  ...policy.layers.flatMap(({ budgets, name: layer }, i) =>
    Object.entries(budgets).map(([name, budget]) => ({
      name,
      budget,
      path: ["layers", i, "budgets", name],
      called: `\`${name}\` of \`${layer}\``,
      classes: undefined
    }))
  ),
  ...Object.entries(policy.budgets).map(([name, budget]) => ({
    name,
    budget,
    path: ["budgets", name],
    called: `\`${name}\``,
    classes: new Set(Object.entries(policy.classes).flatMap(([of, { within }]) => (within.includes(name) ? [of] : [])))
  }))
]

/** Whether whatever `tight` lets through, `loose` does too. */
const isHidden = (loose: Placed, tight: Placed): boolean => {
  const [a, b] = [loose.budget, tight.budget]
  // The most that the tighter one lets through in a window of the other.
  const most = toNanoDollars(b.limit) * (b.every === "day" && a.every === "month" ? 31 : 1)
  if (most === 0 || most > toNanoDollars(a.limit)) return false
  if (tight.classes !== undefined && (loose.classes === undefined || [...loose.classes].some((name) => !tight.classes!.has(name))))
    return false
  // A key is of one class, one team and one organisation; of those none is known to lie within another.
  return (a.per === b.per || a.per === "key") && (a.every === b.every || a.every === "day" || b.every === "day")
}

const checkBinding = (policy: Policy, found: Found): void => {
  const budgets = budgetsIn(policy)
  for (const [i, placed] of budgets.entries()) {
    const { budget, classes, path } = placed
    if (classes?.size === 0) continue
    if (toNanoDollars(budget.limit) === 0) {
      found("note", [...path, "limit"], "budget-of-nothing", `${placed.called} refuses every call that costs anything`)
      continue
    }
    if (classes !== undefined && Object.keys(policy.keys).length > 0 && !Object.values(policy.keys).some((key) => classes.has(key.class))) {
      found(
        "warning",
        path,
        "budget-without-keys",
        `no key is of a class that spends from ${placed.called}`,
        "give a key such a class, or leave it out"
      )
      continue
    }
    // Of two that are alike the later one is too much.
    const tight = budgets.find((other, j) => j !== i && isHidden(placed, other) && (j < i || !isHidden(other, placed)))
    if (tight === undefined) continue
    const { every, limit, per } = tight.budget
    found(
      "warning",
      path,
      "budget-never-binds",
      `${placed.called} never refuses anything: ${tight.called}, ${dollars(toNanoDollars(limit))} a ${every} for each ${per}, ${every === "day" && budget.every === "month" ? "even on 31 days, comes to no more than" : "is spent no later than"} its ${dollars(toNanoDollars(budget.limit))} a ${budget.every} for each ${budget.per}`,
      "make it tighter, or leave it out"
    )
  }
}

/** Why money is counted where a target is used: the first rule that says so. */
const reasonsFor = (policy: Policy, candidates: Candidates): ((target: string) => string | undefined) => {
  const grants = makeGrants(policy)
  const open = grantsAll(policy)
  const ofAll = budgetsIn(policy).find(({ classes }) => classes === undefined)
  const asks = strategiesOf(policy).some(({ of }) => of._tag === "Asked")
  const limited = policy.routes.filter((route) => limitsOf(policy, route).effortNanoDollars !== Infinity)
  const inEffort = new Map<string, string>()
  for (const route of limited) {
    const { name, to } = route
    const asked = strategiesOf({ routes: [route] }).some(({ of }) => of._tag === "Asked")
    const names = asked ? Object.keys(policy.targets) : sendsIn(candidates, to).map(({ target }) => target)
    for (const target of names) if (!inEffort.has(target)) inEffort.set(target, `\`${name}\``)
  }
  const used = new Set(asks ? Object.keys(policy.targets) : sendsOf(policy).map(({ of }) => of.target))
  return (target) => {
    const candidate = used.has(target) ? candidates.candidateOf({ _tag: "Send", target }) : undefined
    // What a guard always keeps out is never paid for.
    if (candidate === undefined || candidate.causes.some(({ level, where }) => level === 1 && where.must === everything)) return undefined
    for (const [name, { within }] of Object.entries(policy.classes)) {
      if (within.length > 0 && grants(name)(candidate.target) === undefined)
        return `class \`${name}\` may use it under budget \`${within[0]!}\``
    }
    const route = inEffort.get(target)
    const user = open ? local.class : Object.keys(policy.classes).find((name) => grants(name)(candidate.target) === undefined)
    if (user === undefined) return undefined
    if (ofAll !== undefined) return `everybody who may use it does so under budget ${ofAll.called}`
    return route === undefined ? undefined : `the effort of route ${route} is limited in dollars`
  }
}

const checkTargets = (candidates: Candidates, found: Found): void => {
  const { policy } = candidates
  const reasonOf = reasonsFor(policy, candidates)
  const asks = strategiesOf(policy).some(({ of }) => of._tag === "Asked")
  const sends = sendsOf(policy)
  for (const target of Object.keys(policy.targets)) {
    const why = reasonOf(target)
    if (why === undefined) continue
    const { maxOutputTokens, model, price } = candidates.candidateOf({ _tag: "Send", target })!.target
    if (price === undefined) {
      found(
        "error",
        ["targets", target],
        "unpriced-target",
        `the price of \`${model}\` is not known, and ${why}`,
        "say its `price`, in dollars for a million tokens"
      )
    }
    // A `send` may set a maximum of its own.
    const unlimited = asks || sends.some(({ of }) => of.target === target && of.set?.maxOutputTokens === undefined)
    if (maxOutputTokens === undefined && unlimited) {
      found(
        "error",
        ["targets", target],
        "unlimited-target",
        `how long an answer of \`${target}\` can be is not known, and ${why}, so nothing could be reserved`,
        "say its `maxOutputTokens`"
      )
    }
  }
}

const checkEffort = (candidates: Candidates, found: Found): void => {
  const { policy } = candidates
  for (const [i, route] of policy.routes.entries()) {
    const limit = limitsOf(policy, route).effortNanoDollars
    const targets = sendsIn(candidates, route.to).flatMap((send) => candidates.candidateOf(send)?.target ?? [])
    if (limit === Infinity || limit === 0 || targets.length === 0) continue
    if (strategiesOf({ routes: [route] }).some(({ of }) => of._tag === "Asked")) continue
    /** The least that is reserved for any of them, where all are known. */
    const least = (maximum: number | null): number | undefined => {
      const amounts = targets.map((target) => boundOf(askOfTokens(1, maximum), target))
      return amounts.every((bound) => bound._tag === "Bound") ? Math.min(...amounts.map((bound) => bound.nanoDollars)) : undefined
    }
    const [one, usual] = [least(1), least(null)]
    if (usual === undefined || usual <= limit) continue
    const path = route.effort?.dollars === undefined ? ["effort", "dollars"] : ["routes", i, "effort", "dollars"]
    found(
      "warning",
      path,
      "effort-fits-nothing",
      one !== undefined && one > limit
        ? `no attempt of \`${route.name}\` fits into ${dollars(limit)}: even an answer of one token may cost ${dollars(one)}`
        : `no attempt of \`${route.name}\` fits into ${dollars(limit)} unless its caller asks for a shorter answer: as long as it may be, it may cost ${dollars(usual)}`,
      "allow more dollars, or say a smaller `maxOutputTokens`"
    )
  }
}

export const checkMoney = (candidates: Candidates, found: Found): void => {
  checkTargets(candidates, found)
  checkBinding(candidates.policy, found)
  checkEffort(candidates, found)
}
