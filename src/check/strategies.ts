/**
 * Inside the routes: conditions are typed, splits add up, failovers lead somewhere new, and neither a deadline, a retry nor a hedge is a contradiction.
 */
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import { factNames, typeOf } from "../Facts.ts"
import type { Path } from "../Finding.ts"
import { type Policy, type Send, type Strategy, toMillis } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"
import { checkEscalate } from "./escalate.ts"
import { partsOf, within } from "./walk.ts"

/** What is known on the way down to a strategy. */
interface Context {
  /** Deployments that have certainly failed when the strategy is tried. */
  readonly failed: ReadonlySet<string>
  /** The tightest deadline around it. */
  readonly deadline: string | undefined
  /** The tries of the `retry` around it, all of them multiplied; 1 outside of any. */
  readonly tries: number
  /** Whether calls that stream may come here. */
  readonly streams: boolean
}

/** What fails together: a target in another region, or behind another deployment, is another try. */
const deploymentOf = ({ set, target }: Send): string => JSON.stringify([target, set?.region ?? null, set?.deployment ?? null])

/** What asks a model the same thing. */
const questionOf = ({ set, target }: Send): string => JSON.stringify([target, set ?? null])

/** The deployments that a strategy tries whatever the request is, so that they have failed when it has; or whatever else `of` makes of each. */
const certain = (strategy: Strategy, policy: Policy, of = deploymentOf): ReadonlyArray<string> => {
  const go = (strategy: Strategy): ReadonlyArray<string> => {
    switch (strategy._tag) {
      case "Send":
        return [of(strategy)]
      case "First":
        return strategy.of.flatMap(go)
      case "Split":
        return inAll(strategy.arms.map((arm) => go(arm.to)))
      case "When":
        return inAll([go(strategy.then), go(strategy.otherwise)])
      case "Within":
      case "Retry":
        return go(strategy.of)
      case "Hedge":
        return [...go(strategy.of), ...go(strategy.with)]
      case "Shadow":
        return go(strategy.of)
      case "Escalate":
        return [...go(strategy.of), ...go(strategy.to)]
      // One of several is tried.
      case "Spread":
        return inAll(strategy.of.map(go))
      case "Pool":
        return inAll(membersOf(strategy, policy).map(go))
      case "Asked":
      case "Deny":
        return []
    }
  }
  return go(strategy)
}

const inAll = (ways: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> =>
  (ways[0] ?? []).filter((deployment) => ways.every((way) => way.includes(deployment)))

const membersOf = ({ pool }: { readonly pool: string }, policy: Policy): ReadonlyArray<Send> =>
  Object.hasOwn(policy.pools, pool) ? policy.pools[pool]!.of : []

export const checkStrategies = (policy: Policy, found: Found): void => {
  const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
  /** Whether the condition holds of calls that stream, as far as is known. */
  const condition = (json: unknown, path: Path): boolean | undefined => {
    const parsed = Condition.parse(json, path, vocabulary, (at, code, message, fix) => {
      const isOfAnswers = code === "unknown-fact" && message.startsWith("unknown fact `answer.")
      found("error", at, code, message, isOfAnswers ? "answers are asked about in the `if` of an `escalate` alone" : fix)
    })
    return parsed && Condition.given(parsed, (fact) => (fact === "request.stream" ? true : undefined))
  }

  /** One of `members` is tried: a contradiction where all of them have failed, and a waste where some have. */
  const chosen = (members: ReadonlyArray<Send>, path: Path, { failed }: Context): void => {
    const again = members.filter((member) => failed.has(deploymentOf(member)))
    if (again.length === 0) return
    const all = again.length === members.length
    found(
      all ? "error" : "warning",
      path,
      "failover-cycle",
      `the failover may come back to ${again.map(({ target }) => `\`${target}\``).join(", ")}, which has failed by then`,
      all ? "spread over other targets" : "leave it out here, or before"
    )
  }

  const retry = (strategy: Extract<Strategy, { readonly _tag: "Retry" }>, path: Path, context: Context): void => {
    const { attempts, backoff, of, on } = strategy
    const tries = context.tries * attempts
    if (on?.length === 0) {
      found(
        "error",
        [...path, "on"],
        "empty-on",
        "`on` names no failure class, so nothing is ever tried again",
        "leave `on` out for the usual classes"
      )
    }
    if (!within(of, path).some((part) => part.of._tag !== "Deny" && partsOf(part.of, part.path).length === 0)) {
      found("warning", path, "retry-in-vain", "every try ends in a `deny`, which is not tried again", "leave the `retry` out")
    }
    if (context.tries > 1) {
      found(
        "warning",
        path,
        "retry-nested",
        `${attempts} tries within a \`retry\` around it: up to ${tries} attempts for one call`,
        "keep one of the two"
      )
    }
    if (toMillis(backoff.first) > toMillis(backoff.longest)) {
      found(
        "warning",
        [...path, "backoff"],
        "retry-backoff",
        `the first wait, ${backoff.first}, is longer than the longest, ${backoff.longest}`,
        "say a `longest` that is longer"
      )
    }
    go(of, [...path, "of"], { ...context, tries })
  }

  const hedge = ({ after, of, with: other }: Extract<Strategy, { readonly _tag: "Hedge" }>, path: Path): void => {
    if (toMillis(after) === 0) {
      found(
        "warning",
        [...path, "after"],
        "hedge-at-once",
        "both are asked at once, so that every call is paid for twice",
        "wait about as long as nineteen of twenty answers take to begin"
      )
    }
    const first = new Set(certain(of, policy))
    const same = certain(other, policy).find((deployment) => first.has(deployment))
    if (same === undefined) return
    found(
      "warning",
      [...path, "with"],
      "hedge-same",
      `\`${(JSON.parse(same) as [string])[0]}\` is hedged with itself: what slows the first call down may slow the second down too`,
      "hedge with another deployment"
    )
  }

  const escalate = (strategy: Extract<Strategy, { readonly _tag: "Escalate" }>, path: Path, context: Context): void => {
    const asked = new Set(certain(strategy.of, policy, questionOf))
    const again = certain(strategy.to, policy, questionOf).find((question) => asked.has(question))
    const name = again === undefined ? undefined : (JSON.parse(again) as [string])[0]
    checkEscalate(strategy, path, { again: name, streams: context.streams }, found)
    for (const part of partsOf(strategy, path)) go(part.of, part.path, context)
  }

  const go = (strategy: Strategy, path: Path, context: Context): void => {
    switch (strategy._tag) {
      case "Send":
        // An unknown target is found with the other names.
        if (Object.hasOwn(policy.targets, strategy.target) && context.failed.has(deploymentOf(strategy))) {
          found(
            "error",
            path,
            "failover-cycle",
            `the failover comes back to \`${strategy.target}\`, which has failed by then`,
            "name another target, or leave it out"
          )
        }
        return
      case "Asked":
      case "Deny":
        return
      case "Spread":
        chosen(strategy.of, path, context)
        return
      case "Pool":
        chosen(membersOf(strategy, policy), path, context)
        return
      case "Retry":
        retry(strategy, path, context)
        return
      case "Shadow":
        go(strategy.of, [...path, "of"], context)
        // A copy is a call of its own, to which nothing has happened.
        go(strategy.copy, [...path, "copy"], { ...context, failed: new Set(), deadline: undefined, tries: 1 })
        return
      case "Escalate":
        escalate(strategy, path, context)
        return
      case "Hedge":
        hedge(strategy, path)
        for (const part of partsOf(strategy, path)) go(part.of, part.path, context)
        return
      case "First": {
        const failed = new Set(context.failed)
        for (const [i, part] of strategy.of.entries()) {
          const at = [...path, "of", i]
          go(part, at, { ...context, failed })
          for (const deployment of certain(part, policy)) failed.add(deployment)
          if (part._tag === "Deny" && i < strategy.of.length - 1) {
            found("error", [...path, "of", i + 1], "unreachable-fallback", "nothing after a `deny` is ever tried", "put the `deny` last")
          }
        }
        if (strategy.on?.length === 0)
          found(
            "error",
            [...path, "on"],
            "empty-on",
            "`on` names no failure class, so nothing after the first is tried for a failure",
            "leave `on` out for the usual classes"
          )
        return
      }
      case "Split": {
        const { arms, by } = strategy
        const names = new Set<string>()
        let sum = 0
        for (const [i, arm] of arms.entries()) {
          if (names.has(arm.name)) found("error", [...path, "arms", i, "name"], "arm-twice", `there is an arm \`${arm.name}\` already`)
          names.add(arm.name)
          if (!Number.isInteger(arm.weight) || arm.weight <= 0) {
            found(
              "error",
              [...path, "arms", i, "weight"],
              "split-weights",
              `the weight of \`${arm.name}\` is ${arm.weight}, but weights are positive integers`
            )
          }
          sum += arm.weight
          go(arm.to, [...path, "arms", i, "to"], context)
        }
        if (sum !== 100 && sum !== 10_000) {
          found(
            "error",
            [...path, "arms"],
            "split-weights",
            `the weights of ${arms.map((arm) => `\`${arm.name}\``).join(", ")} add up to ${sum}`,
            "make them add up to 100, or to 10,000"
          )
        }
        const fact = typeOf(by.fact, policy)
        const at = [...path, "by", "fact"]
        if (fact === undefined) found("error", at, "unknown-fact", `unknown fact \`${by.fact}\``, didYouMean(by.fact, vocabulary.names))
        else if (fact.type !== "string") found("error", at, "split-unit", `a split assigns by a text, but \`${by.fact}\` is a ${fact.type}`)
        else if (fact.optional && by.or === undefined)
          found("error", at, "split-unit", `\`${by.fact}\` may be absent`, "say in `or` what to assign by then")
        return
      }
      case "When": {
        const holds = condition(strategy.if, [...path, "if"])
        go(strategy.then, [...path, "then"], { ...context, streams: context.streams && holds !== false })
        go(strategy.otherwise, [...path, "otherwise"], { ...context, streams: context.streams && holds !== true })
        return
      }
      case "Within": {
        const millis = toMillis(strategy.duration)
        if (millis === 0) found("error", [...path, "duration"], "deadline", "a deadline of no time fails every call")
        else if (context.deadline !== undefined && millis >= toMillis(context.deadline)) {
          found(
            "warning",
            [...path, "duration"],
            "deadline",
            `${strategy.duration} never passes within ${context.deadline} around it`,
            "leave it out, or make it shorter"
          )
        }
        go(strategy.of, [...path, "of"], {
          ...context,
          deadline: context.deadline === undefined || millis < toMillis(context.deadline) ? strategy.duration : context.deadline
        })
        return
      }
    }
  }

  for (const [i, route] of policy.routes.entries()) {
    const holds = route.when === undefined ? true : condition(route.when, ["routes", i, "when"])
    go(route.to, ["routes", i, "to"], { failed: new Set(), deadline: undefined, tries: 1, streams: holds !== false })
  }
}
