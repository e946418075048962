import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Granted, grantsAll, makeGrants } from "../src/Grants.ts"
import type { PolicyEncoded, StrategyEncoded } from "../src/Policy.ts"
import { loosePolicy, policy, prices, requestTo, script, sized, strategyOver } from "./generators.ts"
import type { FactValues, Play } from "./reference.ts"
import { account, compiled, decoded, only, surroundings } from "./scripted.ts"

const fails: Play = { failure: "overloaded", commitsAfter: undefined, endsAfter: 0 }
const serves: Play = { failure: undefined, commitsAfter: 0, endsAfter: 0 }

/** Whether a class may reach what was sent, from the policy as it was written: nothing of the engine is asked. `served`: where its `send` says that it is. */
const mayReach = (policy: PolicyEncoded, className: string, sent: string, served?: string): boolean => {
  const classes = new Map(Object.entries(policy.classes ?? {}))
  if (Object.keys(policy.keys ?? {}).length === 0 && !classes.has("local")) return true
  const rules = classes.get(className)
  const target = new Map(Object.entries(policy.targets)).get(sent)
  const provider = target?.provider ?? sent.split("/")[0]!
  const region = served ?? target?.region ?? policy.providers[provider]!.region
  return (
    rules !== undefined &&
    rules.may.includes(target === undefined ? `${provider}/*` : sent) &&
    ((rules.providers ?? "any") === "any" || rules.providers!.includes(provider)) &&
    ((rules.regions ?? "any") === "any" || (region !== undefined && rules.regions!.includes(region)))
  )
}

describe("the promise", () => {
  const cases = fc.oneof(policy, loosePolicy).chain((encoded) =>
    fc.record({
      policy: fc.constant(encoded),
      calls: fc.array(fc.record({ facts: requestTo(encoded).map(sized), plays: script, hard: fc.boolean() }), {
        minLength: 1,
        maxLength: 4
      }),
      broken: fc.subarray(Object.keys(encoded.targets))
    })
  )
  const seen = { sent: 0, open: 0, strangers: 0, probes: 0, kept: 0, left: 0 }

  it(
    "no attempt goes to a target that its caller's class is not granted: by any route, fallback, arm, branch, name or probe",
    { timeout: 120_000 },
    () => {
      fc.assert(
        fc.property(cases, ({ broken, calls, policy }) => {
          const world = surroundings()
          const pipeline = world.link(compiled(policy, prices))
          for (const name of broken) {
            for (let i = 0; i < 5; i++) world.health.report(pipeline.compiled.targets.get(name)!.identity, "bad", 0)
          }
          for (const { facts, hard, plays } of calls) {
            // Where everything fails, everything that is left is tried.
            const one = world.call(pipeline, facts, (n) => (hard ? fails : plays[n % plays.length]!))
            const className = facts["caller.class"] as string
            const { attempts, rejections } = one.records[0]!.call!
            assert.sameMembers(
              attempts.map(({ target }) => target.name),
              one.sent.map(({ target }) => target)
            )
            for (const { target } of attempts) {
              assert.isTrue(mayReach(policy, className, target.name, target.set?.region), `${className} has reached ${target.name}`)
              seen.sent++
              if (!Object.hasOwn(policy.targets, target.name)) seen.open++
            }
            for (const { by, target } of rejections) {
              if (by !== "grant") continue
              const everywhere = [undefined, "eu", "us"].every((region) => mayReach(policy, className, target, region))
              assert.isFalse(everywhere, `${className} was kept from ${target}`)
              seen.kept++
            }
            if (attempts.some(({ why }) => why === "probe")) seen.probes++
            if (!Object.hasOwn(policy.classes ?? {}, className) && Object.keys(policy.keys ?? {}).length > 0) seen.strangers++
            if (rejections.some(({ by }) => by === "grant") && attempts.length > 0) seen.left++
          }
        }),
        { numRuns: 2_000 }
      )
    }
  )

  it("…where attempts, open models, probes, strangers and fallbacks of a rejected candidate have occurred", () => {
    for (const [name, count] of Object.entries(seen)) assert.isAbove(count, 1, name)
  })
})

describe("laws", () => {
  const targets = [..."abcdef"]
  const facts = requestTo(only("a")).map((facts): FactValues => ({ ...facts, "caller.key": "local", "caller.class": "local" }))
  const strategy = strategyOver(targets)
  const see = (policy: PolicyEncoded, facts: FactValues, plays: ReadonlyArray<Play>) => {
    const world = surroundings()
    return account(world.call(world.link(compiled(policy)), facts, (n) => plays[n % plays.length]!))
  }
  const granting = (to: StrategyEncoded, may: ReadonlyArray<string>) => only(to, { classes: { local: { may } } })

  it("a class that is granted everything is no class", () => {
    fc.assert(
      fc.property(strategy, facts, script, (to, facts, plays) => {
        assert.deepStrictEqual(see(granting(to, targets), facts, plays), see(only(to), facts, plays))
      }),
      { numRuns: 300 }
    )
  })

  it("a rejected candidate of `first` is as if it were not there, but for what is told of it", () => {
    const some = fc.array(fc.tuple(fc.constantFrom(...targets), fc.boolean()), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(some, facts, script, (parts, facts, plays) => {
        const kept = parts.filter(([, granted]) => granted).map(([name]) => `${name}-1`)
        fc.pre(kept.length > 0)
        // Twins, so that one is granted and the other is not.
        const names = parts.map(([name, granted]) => `${name}-${granted ? 1 : 0}`)
        const all = Object.fromEntries(
          targets.flatMap((name) => [0, 1].map((n) => [`${name}-${n}`, { provider: "openai", model: `${name}-${n}` }]))
        )
        const may = Object.keys(all).filter((name) => name.endsWith("1"))
        const policy = (of: ReadonlyArray<string>): PolicyEncoded =>
          only({ _tag: "First", of: of as [string] }, { targets: all, classes: { local: { may } } })
        const { refusals: _, refused, summary: __, ...rest } = see(policy(names), facts, plays)
        const { refusals: ___, refused: others, summary: ____, ...expected } = see(policy(kept), facts, plays)
        // Nor is it told why each is tried: what comes after a rejected one is a failover.
        const untold = ({ tried, ...rest }: typeof expected) => ({ ...rest, tried: tried!.map((one) => ({ ...one, why: "" })) })
        assert.deepStrictEqual(untold(rest), untold(expected))
        assert.deepStrictEqual(
          refused!.filter(({ by }) => by !== "grant"),
          others
        )
      }),
      { numRuns: 300 }
    )
  })

  it("what a class is granted never grows under a further rule", () => {
    const more = fc.record({ may: fc.subarray(targets), providers: fc.subarray(["openai", "other"]), regions: fc.subarray(["eu", "us"]) })
    const target = fc.record({
      name: fc.constantFrom(...targets),
      declared: fc.constant(true),
      provider: fc.constantFrom("openai", "other"),
      region: fc.constantFrom("eu", "us", null)
    })
    fc.assert(
      fc.property(more, more, target, (one, other, target) => {
        const both = <A>(a: ReadonlyArray<A>, b: ReadonlyArray<A>) => a.filter((value) => b.includes(value))
        const grantOf = (rules: object) =>
          makeGrants({ keys: {}, classes: { local: { may: [], providers: "any", regions: "any", within: [], ...rules } } })("local")
        const stricter = {
          may: both(one.may, other.may),
          providers: both(one.providers, other.providers),
          regions: both(one.regions, other.regions)
        }
        const granted = (rules: object) => grantOf(rules)(target) === undefined
        assert.strictEqual(granted(stricter), granted(one) && granted(other))
        for (const looser of [
          { ...one, providers: "any" },
          { ...one, regions: "any" }
        ])
          if (granted(one)) assert.isTrue(granted(looser))
      }),
      { numRuns: 1_000 }
    )
  })
})

describe("grants", () => {
  const policy = decoded({
    name: "test",
    providers: {
      openai: { dialect: "openai" },
      eu: { dialect: "mistral", region: "eu" },
      router: { dialect: "openrouter", open: true, region: "us" }
    },
    targets: {
      mini: { provider: "openai", model: "m" },
      french: { provider: "eu", model: "f" },
      moved: { provider: "eu", model: "g", region: "us" },
      routed: { provider: "router", model: "x" }
    },
    aliases: { small: "mini" },
    classes: {
      named: { may: ["mini", "french", "routed"] },
      open: { may: ["router/*"] },
      provider: { may: ["mini", "french", "router/*"], providers: ["eu", "router"] },
      region: { may: ["mini", "french", "moved", "router/*"], regions: ["eu"] },
      nothing: { may: [], providers: [], regions: [] }
    },
    keys: { alice: { secret: { env: "A" }, class: "named" } },
    routes: [{ name: "default", to: { _tag: "Asked" } }]
  })
  const { models } = compiled(policy)
  const targetOf = (name: string): Granted => {
    const found = models.resolve(name)
    if (found._tag !== "Found") throw new Error(name)
    return found.target
  }
  const grants = makeGrants(policy)
  const may = "`classes.open.may` does not name it"
  const rows: ReadonlyArray<readonly [className: string, target: string, rule: string | undefined]> = [
    ["named", "mini", undefined],
    ["named", "small", undefined],
    ["named", "openai/m", undefined],
    ["named", "moved", "`classes.named.may` does not name it"],
    ["named", "router/other", "`classes.named.may` does not name it"],
    ["open", "router/other", undefined],
    // A declared target is granted by its name alone, whoever serves it.
    ["open", "routed", may],
    ["open", "router/x", may],
    ["open", "mini", may],
    ["provider", "french", undefined],
    ["provider", "mini", "`classes.provider.providers` does not name `openai`"],
    ["provider", "router/other", undefined],
    ["region", "french", undefined],
    ["region", "mini", "`classes.region.regions` needs a region, and it has none"],
    ["region", "moved", "`classes.region.regions` does not name `us`"],
    ["region", "router/other", "`classes.region.regions` does not name `us`"],
    ["nothing", "mini", "`classes.nothing.may` does not name it"],
    ["nobody", "mini", "the policy has no class `nobody`"],
    ["constructor", "mini", "the policy has no class `constructor`"],
    ["__proto__", "mini", "the policy has no class `__proto__`"],
    ["local", "mini", "the policy has no class `local`"]
  ]
  for (const [className, target, rule] of rows) {
    it(`${className}: ${target} ${rule === undefined ? "is granted" : "is not"}`, () =>
      assert.strictEqual(grants(className)(targetOf(target)), rule))
  }

  it("restrict nobody where there are no keys and no rule for callers without one", () => {
    assert.isFalse(grantsAll(policy))
    assert.isTrue(grantsAll({ keys: {}, classes: policy.classes }))
    assert.isFalse(grantsAll({ keys: {}, classes: { local: policy.classes["nothing"]! } }))
    assert.isFalse(grantsAll({ keys: policy.keys, classes: {} }))
    const free = makeGrants({ keys: {}, classes: {} })
    for (const className of ["local", "nobody"]) assert.isUndefined(free(className)(targetOf("mini")))
  })

  it("the error names the class, the target and the rule; a model that is not granted is not suggested", () => {
    const world = surroundings()
    const pipeline = world.link(compiled(policy))
    const call = (model: string) => {
      const facts = {
        "request.model": model,
        "caller.key": "alice",
        "caller.class": "named",
        "caller.team": null,
        "caller.organisation": null
      }
      const { records, told } = world.call(pipeline, facts, () => serves)
      return { status: told.heads[0]!.status, headers: told.heads[0]!.headers, error: records[0]!.error! }
    }
    const moved = call("moved")
    assert.deepInclude(moved.error, {
      status: 403,
      code: "not_granted",
      kind: "permission",
      message: "class `named` may not use `moved`: `classes.named.may` does not name it",
      final: true
    })
    assert.strictEqual(moved.headers["x-should-retry"], "false")
    assert.strictEqual(call("mved").error.code, "model_not_found")
    assert.notInclude(call("mved").error.message, "moved")
    assert.include(call("minii").error.message, "`mini`")
  })
})
