// Mistakes in files that are written against shared sections; see `../mistakes.ts` for how they are announced.
import { guards, policy, routes, sections, usd } from "turnout"
import type { RoutesOf, WordsOf } from "turnout"
import { house } from "./house.ts"
import { team } from "./search.ts"

export const broken = sections({
  ...house,
  aliases: { cheapest: "mni" },
  //! cheapest | TS2820 | Did you mean '"mini"'?
  budgets: { search: { per: "user", limit: usd(1), every: "day" } }
  //! per | TS2322 | Type '"user"' is not assignable to type
})

export const misspelt = sections({ tragets: {} })
//! tragets | TS2561 | Did you mean to write 'targets'?

export const own = routes(team, ({ budget, caller, first, health, pool, request }) => [
  { name: "a", to: first("mini", "gtp") },
  //! "gtp" | TS2345 | parameter of type 'FirstOptions | Strategy<"french" | "gpt" | "mini">'
  { name: "b", to: pool("chaep") },
  //! "chaep" | TS2345 | parameter of type '"cheap"'
  { name: "c", when: budget("serach").spent.gt(1), to: "mini" },
  //! "serach" | TS2345 | parameter of type '"company" | "search"'
  { name: "d", when: caller.tag("btea"), to: "mini" },
  //! "btea" | TS2345 | parameter of type '"beta"'
  { name: "e", when: caller.class.is("serach"), to: "mini" },
  //! "serach" | TS2345 | parameter of type '"local" | "search"'
  { name: "f", when: health("mni").up, to: "mini" },
  //! "mni" | TS2345 | parameter of type '"french" | "gpt" | "mini"'
  { name: "g", when: request.metadata("tier").present(), to: "mini" },
  //! "tier" | TS2345 | parameter of type 'never'
  { name: "h", to: "gtp" }
  //! to: | TS2322 | '"gtp"' is not assignable to type
])

export const fields = routes(house, ({ request }) => [
  { name: "a", wehn: request.stream, to: "mini" },
  //! wehn | TS2322 | "a route has no such field"
  { name: "b", to: "mini" }
])

export const kept = guards(house, ({ request }) => [
  { name: "a", when: request.stream, forbid: { targets: ["gtp"] } },
  //! "gtp" | TS2322 | to type '"french" | "gpt" | "mini"'
  { name: "b", require: { providers: ["opnai"] } },
  //! "opnai" | TS2820 | Did you mean '"openai"'?
  { name: "c", require: { tags: ["cehap"] } }
  //! "cehap" | TS2322 | to type '"cheap"'
])

/** A helper of the words, and a list with a type of its own. */
export const reliably = ({ first, retry }: WordsOf<typeof house>, target: "mini" | "gpt") => first(retry({ attempts: 2 }, target), "frnch")
//! "frnch" | TS2345 | parameter of type 'FirstOptions | Strategy<"french" | "gpt" | "mini">'
export const typed: RoutesOf<typeof house> = [{ name: "a", to: "gtp" }]
//! to: | TS2322 | '"gtp"' is not assignable to type

// Routes over more than a policy has are not its routes.
const wide = routes(house, ({ asked }) => [{ name: "a", to: asked() }])
export default policy({
  name: "narrow",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  routes: () => [...wide]
  //! ...wide | TS2322 | is not assignable to type
})
