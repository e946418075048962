/**
 * Inside the routes: targets exist, conditions are typed, splits add up, failovers lead somewhere new, and no deadline is a contradiction.
 */
import type { Found } from "../Check.ts"
import * as Condition from "../Condition.ts"
import { factNames, typeOf } from "../Facts.ts"
import type { Path } from "../Finding.ts"
import { type Policy, type Strategy, toMillis } from "../Policy.ts"
import { didYouMean } from "../Suggest.ts"

/** What is known on the way down to a strategy. */
interface Context {
  /** Targets that have certainly failed when the strategy is tried, each with its place. */
  readonly failed: ReadonlySet<string>
  /** The tightest deadline around it. */
  readonly deadline: string | undefined
}

/** The targets that a strategy tries whatever the request is, so that they have failed when it has. */
const certain = (strategy: Strategy): ReadonlyArray<string> => {
  switch (strategy._tag) {
    case "Send":
      return [strategy.target]
    case "First":
      return strategy.of.flatMap(certain)
    case "Within":
      return certain(strategy.of)
    case "Split": {
      const [one, ...others] = strategy.arms.map((arm) => new Set(certain(arm.to)))
      return [...(one ?? [])].filter((target) => others.every((arm) => arm.has(target)))
    }
    case "When": {
      const otherwise = new Set(certain(strategy.otherwise))
      return certain(strategy.then).filter((target) => otherwise.has(target))
    }
    case "Asked":
    case "Deny":
      return []
  }
}

export const checkStrategies = (policy: Policy, found: Found): void => {
  const vocabulary = { names: factNames(policy), typeOf: (name: string) => typeOf(name, policy) }
  const targetNames = Object.keys(policy.targets)
  const condition = (json: unknown, path: Path): void => {
    Condition.parse(json, path, vocabulary, (at, code, message, fix) => found("error", at, code, message, fix))
  }

  const go = (strategy: Strategy, path: Path, context: Context): void => {
    switch (strategy._tag) {
      case "Send": {
        const { target } = strategy
        if (!Object.hasOwn(policy.targets, target)) {
          found("error", path, "unknown-target", `unknown target \`${target}\``, didYouMean(target, targetNames))
        } else if (context.failed.has(target)) {
          found(
            "error",
            path,
            "failover-cycle",
            `the failover comes back to \`${target}\`, which has failed by then`,
            "name another target, or leave it out"
          )
        }
        return
      }
      case "Asked":
      case "Deny":
        return
      case "First": {
        const failed = new Set(context.failed)
        for (const [i, part] of strategy.of.entries()) {
          const at = [...path, "of", i]
          go(part, at, { ...context, failed })
          for (const target of certain(part)) failed.add(target)
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
      case "When":
        condition(strategy.if, [...path, "if"])
        go(strategy.then, [...path, "then"], context)
        go(strategy.otherwise, [...path, "otherwise"], context)
        return
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
    if (route.when !== undefined) condition(route.when, ["routes", i, "when"])
    go(route.to, ["routes", i, "to"], { failed: new Set(), deadline: undefined })
  }
}
