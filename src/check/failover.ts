/**
 * Failover that cannot help: a fallback that is the same deployment, or that goes down with what it stands in for; one that is never tried, because time or tries are
 * used up by then; and retries that promise more attempts than a call has.
 *
 * Time is counted as where an attempt stalls: it fails when its headers are due (`timeouts.headers`, two minutes where nobody says otherwise), or at the deadline around
 * it. That the usual limit is longer than a deadline around several candidates is no contradiction of the author's, and for an outage that answers at once it does no harm,
 * so it is a note; a warning is for deadlines that were written, and contradict each other.
 */
import type { Found } from "../Check.ts"
import type { Path } from "../Finding.ts"
import { retriedByDefault } from "../Failure.ts"
import { limitsOf } from "../Limits.ts"
import { type Strategy, toMillis } from "../Policy.ts"
import type { Target } from "../Target.ts"
import { type Candidates, sendsIn } from "./candidates.ts"
import { fewestAttempts, mostAttempts, movesOnAfterTimeout, type Stall, stallOf } from "./worst.ts"
import { partsOf, within } from "./walk.ts"

const seconds = (millis: number): string => `${millis / 1_000} s`

/** What a strategy sends to first, as a message calls it. */
const called = (candidates: Candidates, strategy: Strategy): string => {
  const [first] = sendsIn(candidates, strategy)
  return first === undefined ? (strategy._tag === "Deny" ? "the `deny`" : "the model asked for") : `\`${first.target}\``
}

/** What is left on the way down to a strategy, where all before it has stalled. */
interface Left {
  readonly millis: number
  /** What bounds the time, as a message says it; undefined where nothing does. */
  readonly deadline: string | undefined
  /** Whether a `within` does. */
  readonly written: boolean
  readonly attempts: number
}

const checkTime = (candidates: Candidates, i: number, found: Found): void => {
  const { policy } = candidates
  const route = policy.routes[i]!
  const limits = limitsOf(policy, route)
  const starved = (path: Path, of: Strategy, before: ReadonlyArray<Strategy>, stall: Stall, left: Left): void => {
    const names = before.map((part) => called(candidates, part)).join(" and ")
    const sure = stall.written && left.written
    found(
      sure ? "warning" : "note",
      path,
      "deadline-starves",
      `${left.deadline} leaves nothing for ${called(candidates, of)} if ${names} ${before.length > 1 ? "stall" : "stalls"}, which may take ${seconds(stall.millis)}`,
      sure ? "make the deadline around it longer, or those before it shorter" : "give what comes before it a `within` of its own"
    )
  }
  const go = (of: Strategy, path: Path, left: Left): void => {
    switch (of._tag) {
      case "Within": {
        const millis = toMillis(of.duration)
        return go(
          of.of,
          [...path, "of"],
          millis < left.millis ? { ...left, millis, deadline: `within ${of.duration}`, written: true } : left
        )
      }
      case "First": {
        let [spent, attempts, written, poor] = [0, 0, true, false]
        for (const [at, part] of of.of.entries()) {
          const inside = [...path, "of", at]
          if (at > 0 && part._tag !== "Deny" && left.deadline !== undefined && movesOnAfterTimeout(of) && spent >= left.millis) {
            starved(inside, part, of.of.slice(0, at), { millis: spent, written }, left)
            return
          }
          if (!poor && attempts >= left.attempts && part._tag !== "Deny") {
            found(
              "warning",
              inside,
              "effort-starves",
              `a call has ${limits.attempts} ${limits.attempts === 1 ? "attempt" : "attempts"}, and ${called(candidates, part)} is never tried unless one before it is rejected`,
              "allow more `attempts` in `effort`, or fewer candidates"
            )
            poor = true
          }
          go(part, inside, { ...left, millis: left.millis - spent, attempts: Math.max(1, left.attempts - attempts) })
          const stall = stallOf(part, limits)
          spent += stall.millis
          written &&= stall.written
          attempts += fewestAttempts(part)
        }
        return
      }
      case "Hedge": {
        const after = toMillis(of.after)
        if (left.deadline !== undefined && left.written && after >= left.millis) {
          found(
            "warning",
            [...path, "after"],
            "deadline-starves",
            `${left.deadline} passes before the hedge with ${called(candidates, of.with)} would begin`,
            "begin the hedge sooner"
          )
        }
        if (left.attempts < 2 && fewestAttempts(of.of) > 0)
          found(
            "warning",
            [...path, "with"],
            "effort-starves",
            `a call has one attempt left here, so that the hedge with ${called(candidates, of.with)} never begins`,
            "allow more `attempts` in `effort`, or leave it out"
          )
        for (const part of partsOf(of, path)) go(part.of, part.path, left)
        return
      }
      case "Retry": {
        // With full jitter a wait may be none, so that only what comes before it takes time for certain.
        const stall = stallOf(of.of, limits)
        const again = (of.on ?? retriedByDefault).includes("timeout")
        if (left.deadline !== undefined && left.written && again && stall.written && stall.millis >= left.millis)
          found(
            "warning",
            path,
            "deadline-starves",
            `${left.deadline} leaves nothing for a second try if ${called(candidates, of.of)} stalls, which may take ${seconds(stall.millis)}`,
            "make the deadline around it longer, or what is tried shorter"
          )
        return go(of.of, [...path, "of"], left)
      }
      default:
        for (const part of partsOf(of, path)) go(part.of, part.path, left)
    }
  }
  const time = limits.effortMillis
  go(route.to, ["routes", i, "to"], {
    millis: time,
    deadline: time === Infinity ? undefined : `an effort of ${seconds(time)}`,
    written: false,
    attempts: limits.attempts
  })

  const most = mostAttempts(candidates.policy, route.to)
  const retries = within(route.to, ["routes", i, "to"]).filter(({ of }) => of._tag === "Retry")
  // A retry in a retry is found by itself.
  const isNested = retries.some(({ of, path }) => within(of, path).filter((inner) => inner.of._tag === "Retry").length > 1)
  const [retry] = most > limits.attempts && !isNested ? retries : []
  if (retry !== undefined) {
    found(
      "warning",
      retry.path,
      "retry-amplifies",
      `with its retries this route comes to ${most} attempts at worst, and a call has ${limits.attempts}`,
      "retry less, or allow more `attempts` in `effort`"
    )
  }
}

/** The targets that a strategy tries whatever the request is. */
const certain = (candidates: Candidates, strategy: Strategy): ReadonlyArray<Target> => {
  const inAll = (ways: ReadonlyArray<ReadonlyArray<Target>>): ReadonlyArray<Target> =>
    (ways[0] ?? []).filter((target) => ways.every((way) => way.some(({ identity }) => identity === target.identity)))
  const go = (of: Strategy): ReadonlyArray<Target> => {
    switch (of._tag) {
      case "Send":
        return [candidates.candidateOf(of)?.target].filter((target) => target !== undefined)
      case "First":
        return of.of.flatMap(go)
      case "Hedge":
        return [...go(of.of), ...go(of.with)]
      case "Within":
      case "Retry":
      case "Shadow":
        return go(of.of)
      case "Escalate":
        return [...go(of.of), ...go(of.to)]
      case "Split":
        return inAll(of.arms.map((arm) => go(arm.to)))
      case "When":
        return inAll([go(of.then), go(of.otherwise)])
      case "Spread":
        return inAll(of.of.map(go))
      case "Pool":
        return inAll(candidates.membersOf(of.pool).map(go))
      default:
        return []
    }
  }
  return go(strategy)
}

/** Where a target is served: what one outage takes. */
const placeOf = ({ baseUrl, kind, region }: Target): string => JSON.stringify([kind, baseUrl, region])

/** Whether `target` goes down with `primary`: it is served at the same place, on no other credential. */
const sharesFate = (target: Target, primary: Target): boolean =>
  placeOf(target) === placeOf(primary) && target.accounts.every(({ name }) => primary.accounts.some((account) => account.name === name))

const checkFate = (candidates: Candidates, of: Strategy, path: Path, found: Found): void => {
  const parts = of._tag === "Hedge" ? [of.of, of.with] : of._tag === "First" ? of.of : of._tag === "Escalate" ? [of.of, of.to] : []
  const pathOf = (at: number): Path => [
    ...path,
    ...(of._tag === "First" ? ["of", at] : [at === 0 ? "of" : of._tag === "Escalate" ? "to" : "with"])
  ]
  const targetsOf = (part: Strategy): ReadonlyArray<Target> =>
    sendsIn(candidates, part).flatMap((send) => candidates.candidateOf(send)?.target ?? [])
  const tried = new Map<string, string>()
  let same = false
  for (const [at, part] of parts.entries()) {
    for (const target of at === 0 ? [] : targetsOf(part)) {
      const twin = tried.get(target.identity)
      if (twin === undefined || twin === target.name) continue
      same = true
      found(
        "warning",
        pathOf(at),
        "same-deployment",
        `\`${target.name}\` is the deployment that \`${twin}\` is, under another name: what keeps one from answering keeps the other`,
        "name another deployment, or leave it out"
      )
    }
    for (const target of certain(candidates, part)) tried.set(target.identity, tried.get(target.identity) ?? target.name)
  }
  if (of._tag !== "First" || same) return

  // One fallback elsewhere is enough against an outage, and nothing is known of what callers name.
  const primaries = certain(candidates, parts[0]!)
  const [primary] = primaries
  // Coming back to a target is found by itself.
  const fallbacks = parts
    .slice(1)
    .map((part) => targetsOf(part).filter(({ identity }) => primaries.every((target) => target.identity !== identity)))
  if (primary === undefined || fallbacks.length === 0) return
  if (primaries.some((target) => !sharesFate(target, primary) || !sharesFate(primary, target))) return
  if (fallbacks.some((targets) => targets.length === 0 || targets.some((target) => !sharesFate(target, primary)))) return
  const twin = fallbacks.flat().find(({ model, name }) => model === primary.model && name !== primary.name)
  found(
    twin === undefined ? "note" : "warning",
    pathOf(1),
    "shared-fate",
    `\`${(twin ?? fallbacks[0]![0]!).name}\` shares ${twin === undefined ? "" : "model, "}provider, key and region with \`${primary.name}\`: one outage or quota takes both`,
    "add a fallback with another provider, key or region"
  )
}

export const checkFailover = (candidates: Candidates, found: Found): void => {
  for (const [i, route] of candidates.policy.routes.entries()) {
    checkTime(candidates, i, found)
    for (const { of, path } of within(route.to, ["routes", i, "to"])) checkFate(candidates, of, path, found)
  }
}
