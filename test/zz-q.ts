import * as fc from "fast-check"
import * as Result from "effect/Result"
import { candidatesOf } from "../src/check/candidates.ts"
import { regionsOf } from "../src/check/regions.ts"
import { compile } from "../src/Compile.ts"
import { decode } from "../src/Policy.ts"
import { ruledOut } from "../src/Rules.ts"
import { guardsOf } from "../src/Layers.ts"
import { plausible } from "./check/outcomes.ts"
import { loosePolicy, policy, prices, requestTo, sized } from "./generators.ts"
const world = fc.oneof(policy, loosePolicy).chain((json) => fc.record({ json: fc.constant(json), requests: fc.array(requestTo(json).map(sized), { minLength: 12, maxLength: 12 }) }))
let n = 0
const show = (x: unknown) => JSON.stringify(x, (_, v) => typeof v === "bigint" ? String(v) + "n" : typeof v === "number" && !Number.isFinite(v) ? String(v) : v)
fc.assert(fc.property(world, ({ json, requests }) => {
  const of = compile(Result.getOrThrow(decode(json)), prices)
  const c = candidatesOf(regionsOf(of.policy), prices)
  for (const [name, target] of of.targets) { const cand = c.candidateOf({ _tag: "Send", target: name })!; const rules = of.rulesOf(target)
    for (const raw of requests) { const f = plausible(of, raw, false); if (!f) continue; const v = of.facts.of(f)
      const gr = rules.filter((r) => r.by === "guard"), gc = cand.causes.filter((x) => x.level === 1)
      if (gr.length !== gc.length) console.log("LEN", gr.map((r) => r.label), gc.map((x) => x.says("")))
      gr.forEach((r, i) => { let b; try { b = ruledOut([r], v) > 0 } catch { return }
        const m = c.space.contains(gc[i]!.where.must, f), y = c.space.contains(gc[i]!.where.may, f)
        if ((m && !b) || (b && !y)) { if (n++ < 3) { console.log(r.label, { b, m, y }, gc[i]!.says(""), show(gc[i]!.where)); console.log(show(guardsOf(of.policy).find((g) => `guard-${g.guard.name}` === r.label))); console.log(show(f), show(of.policy.keys)) } }
      }) } }
}), { numRuns: 3000 })
console.log(n)
