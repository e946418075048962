/**
 * What the needs of requests leave of the routes: a model that is known to lack something is never sent a request that needs it.
 *
 * An error where no request of a route has a candidate, which only its own condition can bring about. Otherwise calls are lost that something else could serve: a warning,
 * if another target of the policy is known to have what these lack; a note if none is, because then the policy is not to blame. Every model has an end of what
 * it reads and answers, and few authors speak of it, so that a route is only held to it where its conditions do, or where another target has a later one: a warning where both are so.
 *
 * Roads not taken: a finding for each set of needs, whose number doubles with each.
 */
import type { Condition } from "../Condition.ts"
import { valueAt, type Path } from "../Finding.ts"
import type { Found } from "../Check.ts"
import type { Capability, Policy, Send, Strategy } from "../Policy.ts"
import { type Lack, lacksOf, needs } from "../Rules.ts"
import { innermost, showLost } from "./access.ts"
import { alternatives, askingFor, type Candidate, type Candidates, capability, guard, needing, sendsIn, type Shown } from "./candidates.ts"
import { type Removed, removedParts } from "./candidates/parts.ts"
import { within } from "./walk.ts"
import { type Bounds, isEmpty, type Region } from "./space.ts"

const flags = Object.keys(needs) as ReadonlyArray<Capability>

const listed = (words: ReadonlyArray<string>): string => [...new Set(words)].join(" and ")

const not = (of: Condition): Condition => ({ _tag: "Not", of })

/** Lacks by what requests need, the least amount first. */
const lacksBy = (candidates: Candidates, sends: ReadonlyArray<Send>): ReadonlyMap<string, Lack> => {
  const lacks = new Map<string, Lack>()
  for (const send of sends) {
    for (const { lack } of candidates.candidateOf(send)?.causes ?? []) {
      if (lack === undefined) continue
      const known = lacks.get(lack.label)
      if (known === undefined || (lack.most ?? 0) < (known.most ?? 0)) lacks.set(lack.label, lack)
    }
  }
  return lacks
}

/** The same lack of the candidate that has most. */
const furthest = (candidates: Candidates, of: Strategy, lack: Lack): Lack =>
  sendsIn(candidates, of)
    .flatMap((send) => candidates.candidateOf(send)?.causes.flatMap((cause) => cause.lack ?? []) ?? [])
    .filter(({ label }) => label === lack.label)
    .reduce((a, b) => ((b.most ?? 0) > (a.most ?? 0) ? b : a), lack)

/** Requests that one lack of several is one for, and no other. */
const needingOnly = (lack: Lack, lacks: ReadonlyMap<string, Lack>): Condition => ({
  _tag: "All",
  of: [needing(lack), ...[...lacks.values()].filter(({ label }) => label !== lack.label).map((other) => not(needing(other)))]
})

/** How much of something each target of a policy has, as far as it is known; what is not known of a size is nothing, of an ability everything. */
type Supply = (lack: Lack) => ReadonlyArray<readonly [target: string, most: number]>

const supplyOf = (candidates: Candidates): Supply => {
  const { policy } = candidates
  const targets = Object.keys(policy.targets).flatMap((target) => candidates.candidateOf({ _tag: "Send", target })?.target ?? [])
  const known = new Map<string, ReadonlyArray<readonly [string, number]>>()
  return ({ label, most }) => {
    const found = known.get(label)
    if (found !== undefined) return found
    const supply = targets.map((target): readonly [string, number] => {
      const same = lacksOf(policy, target).find((lack) => lack.label === label)
      if (same !== undefined) return [target.name, same.most ?? 0]
      const isKnown =
        most === undefined
          ? target.capabilities[label as Capability] === true
          : target.capabilities[label === "context" ? "contextWindow" : "maxOutputTokens"] !== undefined
      return [target.name, isKnown ? Infinity : 0]
    })
    known.set(label, supply)
    return supply
  }
}

/** Whether a target that is known to have it is elsewhere in the policy. */
const isElsewhere = (supply: Supply, here: ReadonlyArray<Send>, lack: Lack): boolean =>
  supply(lack).some(([target, most]) => most > (lack.most ?? 0) && !here.some((send) => send.target === target))

const texts = new WeakMap<Policy["routes"][number], string>()

/** Whether the conditions of a route, or in it, speak of a fact. */
const speakOf = (policy: Policy, route: number, fact: string): boolean => {
  const of = policy.routes[route]!
  const text =
    texts.get(of) ?? JSON.stringify([of.when, ...within(of.to, []).flatMap((part) => (part.of._tag === "When" ? [part.of.if] : []))])
  texts.set(of, text)
  return text.includes(`"${fact}"`)
}

/** Why each candidate of a strategy is out, in the author's order. */
const reasons = (candidates: Candidates, strategy: Strategy, facts: Shown["facts"]): ReadonlyArray<string> => {
  const said = sendsIn(candidates, strategy).flatMap((send) => {
    const why = candidates.reasonOf(send, capability, facts)
    return why === undefined ? [] : [why.says(String(facts["caller.class"]))]
  })
  return [...new Set(said)]
}

const checkLost = (candidates: Candidates, supply: Supply, i: number, found: Found): boolean => {
  const { all, boundsOf, both, outOf, policy, where } = candidates
  const route = policy.routes[i]!
  const at = ["routes", i, "to"]
  const condition = boundsOf(route.when)
  const lost = both(condition.must, outOf(route.to, capability, "some"))
  const before = outOf(route.to, guard, "any")
  if (isEmpty(lost)) return false
  const lacks = lacksBy(candidates, sendsIn(candidates, route.to))

  /** A call in `calls` that has lost everything for what it needs. */
  const shownIn = (calls: Region, ...without: ReadonlyArray<Region>): Shown | undefined =>
    showLost(candidates, i, capability, both(lost, calls), before, ...without)
  /** Where a call loses everything: the innermost branch or arm. */
  const placeOf = ({ facts }: Shown) => {
    const { is, path } = innermost(candidates, route.to, at, facts)
    const value = valueAt(policy, path) as Strategy | { readonly to: Strategy }
    return { is, path, of: "to" in value ? value.to : value }
  }
  const say = (level: "error" | "warning" | "note", path: Path, of: Strategy, { facts, situation }: Shown, message: string): void => {
    const fix = "name a target here that has it, or route such requests elsewhere before"
    found(level, path, "capability-removes-all", `${message}: ${reasons(candidates, of, facts).join(", ")}`, fix, situation)
  }

  const none = outOf(route.to, capability, "any")
  if (all(i, condition.may, none) && !all(i, condition.may, before)) {
    const shown = showLost(candidates, i, capability, both(condition.must, none), before)
    if (shown !== undefined) say("error", at, route.to, shown, "no request of this route has a candidate")
    return shown !== undefined
  }

  const alone: Array<Region> = []
  for (const lack of lacks.values()) {
    const spoken = lack.most === undefined || speakOf(policy, i, lack.fact)
    if (!spoken && supply(lack).every(([, most]) => most <= lack.most!)) {
      alone.push(where(needing(lack)).may)
      continue
    }
    const shown = shownIn(where(needingOnly(lack, lacks)).must)
    if (shown === undefined) continue
    alone.push(where(needing(lack)).may)
    const { is, of, path } = placeOf(shown)
    const most = furthest(candidates, of, lack)
    const elsewhere = isElsewhere(supply, sendsIn(candidates, of), most)
    if (!spoken && !elsewhere) continue
    say(spoken && elsewhere ? "warning" : "note", path, of, shown, `requests with ${askingFor(most)} have no candidate in this ${is}`)
  }
  const together = lacks.size < 2 ? undefined : shownIn(condition.must, ...alone)
  if (together !== undefined) {
    const words = [...lacks.values()].filter((lack) => candidates.space.contains(where(needing(lack)).must, together.facts)).map(askingFor)
    const known = [...lacks.values()].every((lack) => lack.most === undefined)
    const { is, of, path } = placeOf(together)
    say(known ? "warning" : "note", path, of, together, `requests with ${listed(words)} together have no candidate in this ${is}`)
  }
  return false
}

/** The needs that every candidate of a failover's first choice is known to meet, and better than what comes after. */
const meets = (candidates: Candidates, first: Strategy, lack: Lack): boolean => {
  const primaries = sendsIn(candidates, first).map((send) => candidates.candidateOf(send)?.target.capabilities)
  if (primaries.length === 0) return false
  return primaries.every((known) => {
    if (known === undefined) return false
    if (lack.label === "context") return known.contextWindow !== undefined && known.contextWindow > lack.most!
    if (lack.label === "output") return known.maxOutputTokens !== undefined && known.maxOutputTokens > lack.most!
    return known[lack.label as Capability] === true
  })
}

const checkParts = (candidates: Candidates, i: number, found: Found): void => {
  const { boundsOf, outOf, policy, show, where } = candidates
  const route = policy.routes[i]!
  const visit = ({ among, draws, inFirst, is, isAssigned, of, path }: Removed): boolean => {
    const weaker: Array<readonly [Lack, Shown]> = []
    const rest: Array<readonly [Lack, Shown]> = []
    const lacks = lacksBy(candidates, sendsIn(candidates, of))
    for (const lack of lacks.values()) {
      const region = among(where(needingOnly(lack, lacks)).must)
      const shown = region === undefined ? undefined : show(region, draws, isAssigned)
      if (shown === undefined) continue
      const fallback = inFirst !== undefined && inFirst.at > 0 && meets(candidates, inFirst.of[0]!, lack)
      ;(fallback ? weaker : rest).push([furthest(candidates, of, lack), shown])
    }
    const words = (found: typeof rest): string => listed(found.map(([lack]) => askingFor(lack)))
    const why = (found: typeof rest): string => [...new Set(found.flatMap(([, { facts }]) => reasons(candidates, of, facts)))].join(", ")
    if (weaker.length > 0) {
      const primary = sendsIn(candidates, inFirst!.of[0]!)[0]!.target
      found(
        "note",
        path,
        "fallback-weaker",
        `this fallback is weaker than \`${primary}\`: for requests with ${words(weaker)} it is none, since ${why(weaker)}`,
        undefined,
        weaker[0]![1].situation
      )
    }
    if (rest.length > 0) {
      found(
        "note",
        path,
        "capability-removes",
        `this ${is} is rejected for requests with ${words(rest)}: ${why(rest)}`,
        undefined,
        rest[0]![1].situation
      )
    }
    return weaker.length + rest.length > 0
  }
  // What calls lose altogether has been said.
  const gone = outOf(route.to, capability, "some")
  removedParts(
    candidates,
    i,
    capability,
    route.to,
    ["routes", i, "to"],
    boundsOf(route.when).must,
    [gone],
    (part) => part.is === "branch" || visit(part)
  )
}

/** Says of targets that conditions send requests with a need to, where nothing is known of it. */
const checkUnknown = (candidates: Candidates, i: number, found: Found): void => {
  const { all, both, boundsOf, candidateOf, otherwise, perhapsBoth, policy, show, some, where } = candidates
  const route = policy.routes[i]!
  const wanted = flags.filter((name) => speakOf(policy, i, needs[name]))
  if (wanted.length === 0) return
  const judge = (send: Send, path: Path, here: Bounds): void => {
    const capabilities: Candidate["target"]["capabilities"] | undefined = candidateOf(send)?.target.capabilities
    if (capabilities === undefined) return
    for (const name of wanted) {
      if (capabilities[name] !== undefined || !all(i, here.may, where({ _tag: "Flag", fact: needs[name] }).must)) continue
      const region = some(i, here.must)
      const shown = region === undefined ? undefined : show(region, [], () => true)
      if (shown === undefined) continue
      found(
        "warning",
        path,
        "capability-unknown",
        `every request here comes with ${askingFor({ label: name, says: "", fact: needs[name], most: undefined })}, and whether \`${send.target}\` can take that is not known`,
        `say \`${name}\` in its \`capabilities\``,
        shown.situation
      )
    }
  }
  const go = (of: Strategy, path: Path, here: Bounds): void => {
    if (of._tag === "Send") return judge(of, path, here)
    if (of._tag === "Within" || of._tag === "Retry") return go(of.of, [...path, "of"], here)
    if (of._tag === "When") {
      const holds = boundsOf(of.if)
      for (const [key, side] of [
        ["then", holds],
        ["otherwise", otherwise(holds)]
      ] as const)
        go(of[key], [...path, key], { must: both(here.must, side.must), may: perhapsBoth(here.may, side.may) })
      return
    }
    for (const part of alternatives(candidates, of, path) ?? []) go(part.of, of._tag === "Split" ? [...part.path, "to"] : part.path, here)
  }
  go(route.to, ["routes", i, "to"], boundsOf(route.when))
}

export const checkCapabilities = (candidates: Candidates, found: Found): void => {
  const supply = supplyOf(candidates)
  for (const [i, route] of candidates.policy.routes.entries()) {
    checkUnknown(candidates, i, found)
    if (!candidates.concerns(route.to, capability)) continue
    candidates.isSettled(i)
    if (!checkLost(candidates, supply, i, found)) checkParts(candidates, i, found)
  }
}
