// A team's policy: the house's sections, its own, and the parts that it keeps in modules of their own.
import { env, guards, policy, routes, sections } from "turnout"
import { house, money } from "./house.ts"

/** What this team's modules are written against. */
export const team = sections({
  ...house,
  ...money,
  classes: { search: { may: ["mini", "gpt", "french", "mistral/*"], within: ["search"] } },
  keys: { crawler: { secret: env("CRAWLER_KEY"), class: "search", team: "search", organisation: "acme", tags: ["beta"] } }
})

export const thrift = routes(team, ({ any, budget, caller, pool }) => [
  { name: "thrift", when: any(budget("search").usedRatio.gte(0.8), budget("company").usedRatio.gte(0.9)), to: pool("cheap") },
  { name: "beta", when: caller.tag("beta"), commit: "whole", to: "french" }
])

export const limits = guards(team, ({ caller }) => [
  { name: "cheap-only", when: caller.tag("beta"), require: { tags: ["cheap"], providers: ["mistral"] } }
])

export default policy({
  name: "search",
  ...team,
  guards: () => [...limits, { name: "no-gpt", forbid: { targets: ["gpt"], capabilities: ["audio"] } }],
  routes: ({ asked, first }) => [...thrift, { name: "default", to: first(asked(), "mini") }]
})
