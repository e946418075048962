/**
 * What of a policy its cases have reached: routes, both outcomes of conditions, arms, members that were chosen, fallbacks that were taken, hedges that began, tries after
 * the first, guards that kept something out.
 *
 * What a strategy did is read from what the pipeline did, not worked out again: every place where a plan sends gets a target object of its own, so that an attempt says from
 * which place it came. A part counts as reached when something in it was tried, rejected or denied, and not because a decision settled it beforehand. A rejection knows only
 * its target's name; where one target stands twice in a route, it counts for the first such place that the decision leaves open.
 */
import type { Compiled, CompiledRoute, Plan, SendPlan } from "../Compile.ts"
import { type Path, placeOf } from "../Finding.ts"
import { guardsOf } from "../Layers.ts"
import type { Send, Strategy } from "../Policy.ts"
import type { Target } from "../Target.ts"
import type { Seen } from "./Play.ts"

export const kinds = ["route", "condition", "arm", "member", "fallback", "hedge", "escalation", "retry", "guard"] as const
export type Kind = (typeof kinds)[number]

/** Something that a case can reach. */
export interface Point {
  readonly kind: Kind
  /** In the author's terms. */
  readonly place: string
  /** What was not seen, where nothing has reached it. */
  readonly missing: string
  readonly reached: boolean
}

export interface Coverage {
  readonly points: ReadonlyArray<Point>
  /** Of all points; 100 where there is none. */
  readonly percent: number
}

/** A place where a plan sends, asks or denies. */
interface Leaf {
  readonly plan: Extract<Plan, { readonly _tag: "Send" | "Asked" | "Deny" }>
  /** Whether the decision leaves a way to it. */
  readonly open: (slots: ReadonlyArray<number>) => boolean
}

/** How often the leaves of a route were tried, and which were reached at all. */
interface Reached {
  readonly slots: ReadonlyArray<number>
  readonly tried: ReadonlyMap<Leaf, number>
  readonly any: ReadonlySet<Leaf>
}

interface Node {
  readonly leaves: ReadonlyArray<Leaf>
}

const entered = ({ leaves }: Node, { any }: Reached): boolean => leaves.some((leaf) => any.has(leaf))

/** A route of which it is known what a call did in it. */
interface Watched {
  readonly plan: Plan
  readonly leaves: ReadonlyArray<Leaf>
  readonly byTarget: ReadonlyMap<Target, Leaf>
  readonly note: (reached: Reached) => void
}

export class Watcher {
  /** The policy to run cases with: the same, but that every place that sends has its own target. */
  readonly compiled: Compiled
  readonly #original: Compiled
  readonly #points = new Map<string, { -readonly [F in keyof Point]: Point[F] }>()
  readonly #routes: ReadonlyArray<Watched>
  readonly #guards: ReadonlyMap<string, string>

  constructor(compiled: Compiled) {
    this.#original = compiled
    const { policy } = compiled
    // Points are named route by route, as their author reads them.
    this.#routes = compiled.routes.map((route) => {
      this.#point("route", ["routes", route.index], "never chosen")
      if (this.#isAsked(route)) {
        this.#point("condition", ["routes", route.index, "when"], "never holds")
        this.#point("condition", ["routes", route.index, "when"], "always holds")
      }
      return this.#watch(route)
    })
    const guards = guardsOf(policy).map(
      ({ guard, path }) => [`guard-${guard.name}`, this.#point("guard", path, "never kept anything out")] as const
    )
    this.#guards = new Map(guards)
    this.compiled = { ...compiled, routes: compiled.routes.map((route, i) => ({ ...route, plan: this.#routes[i]!.plan })) }
  }

  /** The last route takes what is left, whatever its condition. */
  #isAsked(route: CompiledRoute): boolean {
    return route.condition !== undefined && route.index < this.#original.routes.length - 1
  }

  #point(kind: Kind, path: Path, missing: string, behind = ""): string {
    const key = JSON.stringify([kind, path, behind, missing])
    const place = placeOf(this.#original.policy, path) + behind
    if (!this.#points.has(key)) this.#points.set(key, { kind, place, missing, reached: false })
    return key
  }

  #reach(key: string): void {
    this.#points.get(key)!.reached = true
  }

  #watch(route: CompiledRoute): Watched {
    const byTarget = new Map<Target, Leaf>()
    const leaves: Array<Leaf> = []
    const notes: Array<(reached: Reached) => void> = []
    const leaf = (plan: Leaf["plan"], open: Leaf["open"]): Leaf => {
      const made = { plan, open }
      leaves.push(made)
      if (plan._tag === "Send") byTarget.set(plan.target, made)
      return made
    }
    const own = (plan: SendPlan): SendPlan => ({ ...plan, target: { ...plan.target } })

    const go = (plan: Plan, strategy: Strategy, path: Path, open: Leaf["open"]): Node & { readonly plan: Plan } => {
      const { policy } = this.#original
      switch (plan._tag) {
        case "Send": {
          const mine = own(plan)
          return { plan: mine, leaves: [leaf(mine, open)] }
        }
        case "Asked":
        case "Deny":
          return { plan, leaves: [leaf(plan, open)] }
        case "First": {
          const of = plan.of.map((part, i) => go(part, (strategy as Tagged<"First">).of[i]!, [...path, "of", i], open))
          for (const [i, part] of of.entries()) {
            if (i === 0) continue
            const key = this.#point("fallback", path, "never taken", `.first[${i - 1}] → [${i}]`)
            notes.push((reached) => entered(part, reached) && this.#reach(key))
          }
          return { plan: { ...plan, of: of.map((part) => part.plan) }, leaves: of.flatMap((part) => part.leaves) }
        }
        case "Split": {
          const arms = plan.arms.map((arm, i) => {
            const part = go(
              arm.plan,
              (strategy as Tagged<"Split">).arms[i]!.to,
              [...path, "arms", i, "to"],
              (slots) => open(slots) && slots[plan.slot] === i
            )
            const key = this.#point("arm", [...path, "arms", i], "never taken")
            notes.push((reached) => entered(part, reached) && this.#reach(key))
            return { name: arm.name, part }
          })
          return {
            plan: { ...plan, arms: arms.map(({ name, part }) => ({ name, plan: part.plan })) },
            leaves: arms.flatMap(({ part }) => part.leaves)
          }
        }
        case "When": {
          const branch = (which: "then" | "otherwise", value: number, missing: string) => {
            const part = go(
              plan[which],
              (strategy as Tagged<"When">)[which],
              [...path, which],
              (slots) => open(slots) && slots[plan.slot] === value
            )
            const key = this.#point("condition", [...path, "if"], missing)
            notes.push((reached) => entered(part, reached) && this.#reach(key))
            return part
          }
          const [then, otherwise] = [branch("then", 1, "never holds"), branch("otherwise", 0, "always holds")]
          return { plan: { ...plan, then: then.plan, otherwise: otherwise.plan }, leaves: [...then.leaves, ...otherwise.leaves] }
        }
        case "Spread": {
          // A pool is one, wherever it is used.
          const pooled = strategy._tag === "Pool" ? strategy.pool : undefined
          const base: Path = pooled === undefined ? path : ["pools", pooled]
          const members = pooled === undefined ? (strategy as Tagged<"Spread">).of : policy.pools[pooled]!.of
          const of = plan.of.map((part, i) => {
            const mine = own(part)
            const one = leaf(mine, open)
            const key = this.#point("member", [...base, "of", i], "never tried", memberName(members[i]!))
            notes.push(({ tried }) => (tried.get(one) ?? 0) > 0 && this.#reach(key))
            return { mine, one }
          })
          return { plan: { ...plan, of: of.map(({ mine }) => mine) }, leaves: of.map(({ one }) => one) }
        }
        case "Hedge": {
          const of = go(plan.of, (strategy as Tagged<"Hedge">).of, [...path, "of"], open)
          const other = go(plan.with, (strategy as Tagged<"Hedge">).with, [...path, "with"], open)
          const key = this.#point("hedge", [...path, "with"], "never started")
          notes.push((reached) => entered(other, reached) && this.#reach(key))
          return { plan: { ...plan, of: of.plan, with: other.plan }, leaves: [...of.leaves, ...other.leaves] }
        }
        case "Shadow": {
          const of = go(plan.of, (strategy as Tagged<"Shadow">).of, [...path, "of"], open)
          // What a copy comes to has a record of its own.
          return { plan: { ...plan, of: of.plan }, leaves: of.leaves }
        }
        case "Escalate": {
          const of = go(plan.of, (strategy as Tagged<"Escalate">).of, [...path, "of"], open)
          const to = go(plan.to, (strategy as Tagged<"Escalate">).to, [...path, "to"], open)
          const key = this.#point("escalation", [...path, "to"], "never taken")
          notes.push((reached) => entered(to, reached) && this.#reach(key))
          return { plan: { ...plan, of: of.plan, to: to.plan }, leaves: [...of.leaves, ...to.leaves] }
        }
        case "Within": {
          const of = go(plan.of, (strategy as Tagged<"Within">).of, [...path, "of"], open)
          return { plan: { ...plan, of: of.plan }, leaves: of.leaves }
        }
        case "Retry": {
          const of = go(plan.of, (strategy as Tagged<"Retry">).of, [...path, "of"], open)
          const key = this.#point("retry", path, "never tried again")
          notes.push(({ tried }) => of.leaves.some((one) => (tried.get(one) ?? 0) > 1) && this.#reach(key))
          return { plan: { ...plan, of: of.plan }, leaves: of.leaves }
        }
      }
    }
    // INVARIANT: a plan has the shape of its strategy.
    const { plan } = go(route.plan, this.#original.policy.routes[route.index]!.to, ["routes", route.index, "to"], () => true)
    return { plan, leaves, byTarget, note: (reached) => notes.forEach((note) => note(reached)) }
  }

  /** Takes note of one call, which was made with `compiled`. */
  note({ record: { call, error }, sent }: Seen): void {
    if (call === undefined) return
    const { decision, rejections } = call
    const { slots } = decision
    const { byTarget, leaves, note } = this.#routes[decision.route]!
    for (const route of this.#original.routes.slice(0, decision.route + 1)) {
      const chosen = route.index === decision.route
      // A condition that threw has no outcome.
      if (chosen) this.#reach(this.#point("route", ["routes", route.index], "never chosen"))
      if (this.#isAsked(route) && decision.threw === undefined)
        this.#reach(this.#point("condition", ["routes", route.index, "when"], chosen ? "never holds" : "always holds"))
    }
    if (decision.threw !== undefined) return

    const open = leaves.filter((leaf) => leaf.open(slots))
    const asked = open.find(({ plan }) => plan._tag === "Asked")
    const tried = new Map<Leaf, number>()
    const any = new Set<Leaf>()
    for (const { target } of sent) {
      const from = byTarget.get(target) ?? asked
      if (from === undefined) continue
      tried.set(from, (tried.get(from) ?? 0) + 1)
      any.add(from)
    }
    for (const { by, target } of rejections) {
      const ruled = by === "grant" || by === "guard" || by === "capability"
      const fit = open.filter(
        ({ plan }) => plan._tag === "Send" && plan.target.name === target && (plan.slot !== -1 && slots[plan.slot]! > 0) === ruled
      )
      const leaf = fit.find((one) => !any.has(one)) ?? fit[0] ?? asked
      if (leaf !== undefined) any.add(leaf)
    }
    for (const leaf of open)
      if (
        leaf.plan._tag === "Deny" &&
        error?.code === leaf.plan.code &&
        error.status === leaf.plan.status &&
        error.message === leaf.plan.message
      )
        any.add(leaf)

    note({ slots, tried, any })
    const kept = [
      ...open.flatMap(({ plan }) =>
        plan._tag === "Send" && plan.slot !== -1 && slots[plan.slot]! > 0 ? [plan.rules[slots[plan.slot]! - 1]!] : []
      ),
      ...(asked !== undefined && decision.asked?._tag === "RuledOut" ? [decision.asked.rule] : [])
    ]
    for (const { by, label } of kept) if (by === "guard") this.#reach(this.#guards.get(label)!)
  }

  coverage(): Coverage {
    const points = [...this.#points.values()].map((point) => ({ ...point }))
    const reached = points.filter((point) => point.reached).length
    return { points, percent: points.length === 0 ? 100 : (100 * reached) / points.length }
  }
}

type Tagged<T extends Strategy["_tag"]> = Extract<Strategy, { readonly _tag: T }>

const memberName = ({ target }: Send): string => ` ${JSON.stringify(target)}`
