// Mistakes, each of which is one error at the wrong word. Under each line stands `//! word | code | part of the message` for every error in
// it; `test/AuthoringTypes.test.ts` compares that with what the compiler says, and computes the column from the word.
import { env, policy, sha256, usd } from "turnout"

export default policy({
  name: "acme",
  providers: { openai: { dialect: "openai", key: env("OPENAI_API_KEY") } },
  targets: {
    mini: { provider: "opnai", model: "gpt-4o-mini" },
    //! provider | TS2322 | '"opnai"' is not assignable to type '"openai"'
    big: { provider: "openai", model: "gpt-4o" }
  },
  metadata: ["tier"],
  budgets: { month: { per: "team", limit: usd(200), every: "month" } },
  classes: { eng: { may: ["bgi"], within: ["mnoth"] } },
  //! "bgi" | TS2322 | to type '"big" | "mini"'
  //! "mnoth" | TS2322 | to type '"month"'
  keys: { a: { secret: env("A"), class: "engg" } },
  //! class | TS2322 | to type '"eng"'
  routes: ({ all, budget, caller, first, request, split, when, within }) => [
    { name: "a", when: budget("moth").usedRatio.gte(0.8), to: "mini" },
    //! "moth" | TS2345 | parameter of type '"month"'
    { name: "b", when: request.inputTokns.gt(100_000), to: "mini" },
    //! inputTokns | TS2551 | Did you mean 'inputTokens'?
    { name: "c", when: request.inputTokens.gt("x"), to: "mini" },
    //! "x" | TS2345 | parameter of type 'number'
    { name: "d", when: caller.team.is("core"), to: "mini" },
    //! is( | TS2339 | does not exist on type 'TextOrAbsent'
    { name: "e", to: split({ by: caller.team, salt: "s5" }, { mini: 95, big: 5 }) },
    //! by: | TS2741 | in type 'TextOrAbsent' but required in type 'Unit'
    { name: "f", to: split({ by: caller.key, salt: "s5" }, { mini: 95, bgi: 5 }) },
    //! bgi | TS2353 | 'bgi' does not exist in type 'Arms<"big" | "mini">'
    { name: "g", to: first("mini", "bgi") },
    //! "bgi" | TS2345 | parameter of type 'FirstOptions | Strategy<"big" | "mini">'
    { name: "h", to: first() },
    //! first | TS2555 | Expected at least 1 arguments
    { name: "i", to: first("mini", split({ by: caller.key, salt: "s5" }, { mini: 95, bgi: 5 })) },
    //! bgi | TS2353 | 'bgi' does not exist in type 'Arms<"big" | "mini">'
    { name: "j", when: all(request.stream, budget("moth").usedRatio.gt(1)), to: "big" },
    //! "moth" | TS2345 | parameter of type '"month"'
    { name: "k", to: first("mini", when(budget("moth").usedRatio.gt(1), "bgi", "big")) },
    //! "moth" | TS2345 | parameter of type '"month"'
    //! "bgi" | TS2345 | parameter of type 'Strategy<"big" | "mini">'
    { name: "m", when: request.metadata("teir").or("free").is("pro"), to: "mini" },
    //! "teir" | TS2345 | parameter of type '"tier"'
    { name: "l", to: within("60 second", when(request.stream, "mini", "bgi")) }
    //! "60 second" | TS2345 | parameter of type '`${number} days`
    //! "bgi" | TS2345 | parameter of type 'Strategy<"big" | "mini">'
  ]
})

export const sections = policy({
  name: "sections",
  providers: {
    openai: { dialect: "opnai", key: env("OPENAI_API_KEY"), open: true },
    //! dialect | TS2820 | Did you mean '"openai"'?
    groq: { dialect: "groq", regoin: "eu" },
    //! regoin | TS2561 | Did you mean to write 'region'?
    local: { dialect: "openai", mock: { small: { firstToken: "20 ms" } } }
    //! firstToken | TS2322 | Type '"20 ms"' is not assignable to type
  },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini", price: { input: 0.15, output: usd(0.6) } },
    //! input | TS2322 | Type 'number' is not assignable to type 'Usd'
    fast: { provider: "groq", modle: "llama-3.1-8b-instant", model: "llama-3.1-8b-instant" }
    //! modle | TS2561 | Did you mean to write 'model'?
  },
  aliases: { cheap: "fats" },
  //! cheap | TS2322 | Type '"fats"' is not assignable to type '"cheap" | "fast" | "mini"'
  budgets: {
    month: { per: "user", limit: usd(20), every: "month" },
    //! per | TS2322 | Type '"user"' is not assignable to type '"class" | "key" | "team"'
    day: { per: "key", limit: 1, every: "day" }
    //! limit | TS2322 | Type 'number' is not assignable to type 'Usd'
  },
  classes: { eng: { may: ["openai/*", "groq/*"], within: ["month"] } },
  //! "groq/*" | TS2322 | to type '"fast" | "mini" | "openai/*"'
  keys: { alice: { secret: "sk-1", class: "eng" } },
  //! secret | TS2322 | Type 'string' is not assignable to type
  routes: ({ first }) => [{ name: "all", to: first("mini", "fast") }]
})

export const rights = policy({
  name: "rights",
  providers: {
    openai: { dialect: "openai", key: sha256("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08") },
    //! key: | TS2322 | { readonly sha256: string; }' is not assignable to type
    eu: { dialect: "mistral", key: env("MISTRAL_API_KEY"), region: "eu", open: true }
  },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini", price: { input: usd(0.15), output: usd(0.6), cacheRed: usd(0.07) } },
    //! cacheRed | TS2561 | Did you mean to write 'cacheRead'?
    big: { provider: "openai", model: "gpt-4o", price: { input: usd(2.5), output: usd(10), cacheWrite: 3 }, addedTokens: "64" },
    //! cacheWrite | TS2322 | Type 'number' is not assignable to type 'Usd'
    //! addedTokens | TS2322 | Type 'string' is not assignable to type 'number'
    french: { provider: "eu", model: "mistral-small", mediaTokens: { imgae: 100 }, maxOutputTokens: usd(5) }
    //! imgae | TS2561 | Did you mean to write 'image'?
    //! maxOutputTokens | TS2322 | Type 'Usd' is not assignable to type 'number'
  },
  classes: {
    eng: { may: ["mini", "eu/*"], providers: ["openai", "ue"], regions: ["eu"] },
    //! "ue" | TS2322 | to type '"eu" | "openai"'
    ops: { may: ["mini", "openai/*"], providers: "all", regions: "any" },
    //! "openai/*" | TS2322 | to type '"big" | "eu/*" | "french" | "mini"'
    //! providers | TS2322 | Type '"all"' is not assignable to type
    legal: { may: ["french"], region: ["eu"] },
    //! region | TS2561 | Did you mean to write 'regions'?
    press: { may: "mini" }
    //! may | TS2322 | Type 'string' is not assignable to type
  },
  keys: {
    a: { secret: sha256("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"), class: "eng", taem: "core" },
    //! taem | TS2353 | 'taem' does not exist in type 'Key<
    b: { secret: env("B_KEY") },
    //! b: | TS2741 | Property 'class' is missing
    c: { secret: { sha1: "9f86d081" }, class: "ops" }
    //! sha1 | TS2353 | 'sha1' does not exist in type
  },
  routes: ({ asked }) => [{ name: "all", to: asked() }]
})

export const words = policy({
  name: "words",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  headers: ["x-app"],
  classes: { eng: { may: ["mini"] } },
  keys: { a: { secret: env("A"), class: "eng" } },
  routes: ({ all, asked, budget, caller, deny, first, not, request, send, split, when, within }) => [
    { name: "a", to: first("mini", "big", { on: ["rate-limited", "rate-limted"] }) },
    //! "rate-limted" | TS2820 | Did you mean '"rate-limited"'?
    { name: "b", to: first("mini", "big", { on: ["cancelled"] }) },
    //! "cancelled" | TS2322 | Type '"cancelled"' is not assignable to type
    { name: "c", to: first("mini", "big", { no: ["timeout"] }) },
    //! no: | TS2353 | 'no' does not exist in type
    { name: "d", to: first({ on: ["timeout"] }) },
    //! on: | TS2353 | 'on' does not exist in type
    { name: "e", to: split({ by: caller.key, salt: "s" }, { mini: "95", big: 5 }) },
    //! mini: | TS2322 | Type 'string' is not assignable to type 'number'
    { name: "f", when: request.header("x-ap").present(), to: "mini" },
    //! "x-ap" | TS2345 | parameter of type '"x-app"'
    { name: "g", when: request.metadata("tier").present(), to: "mini" },
    //! "tier" | TS2345 | parameter of type 'never'
    { name: "h", when: request.maxOutputTokens.gt(100), to: "mini" },
    //! gt( | TS2339 | does not exist on type 'NumberOrAbsent'
    { name: "i", when: request.maxOutputTokens.or("none").gt(100), to: "mini" },
    //! "none" | TS2345 | parameter of type 'number'
    { name: "j", when: caller.class.is("engg"), to: "mini" },
    //! "engg" | TS2345 | parameter of type '"eng" | "local"'
    { name: "k", when: request.model, to: "mini" },
    //! when: | TS2741 | in type 'Text<string>' but required in type 'Condition'
    { name: "l", when: all(), to: "mini" },
    //! all | TS2555 | Expected at least 1 arguments
    { name: "m", when: not(request.strem), to: "mini" },
    //! strem | TS2551 | Did you mean 'stream'?
    { name: "n", when: budget("month").spent.gt(1), to: "mini" },
    //! "month" | TS2345 | parameter of type 'never'
    { name: "o", to: deny("410", "gone", "it is gone") },
    //! "410" | TS2345 | parameter of type 'number'
    { name: "p", to: send("bgi") },
    //! "bgi" | TS2345 | parameter of type '"big" | "mini"'
    { name: "q", to: "bgi" },
    //! to: | TS2322 | Type '"bgi"' is not assignable to type
    { name: "r", to: asked },
    //! asked | TS2322 | '() => Built<"big" | "mini">' is not assignable
    { name: "s", to: within("5 seconds", request.stream) },
    //! request.stream | TS2345 | parameter of type 'Strategy<"big" | "mini">'
    { name: "t", to: when("mini", request.stream, "big") },
    //! "mini" | TS2345 | parameter of type 'Condition'
    { name: "v", to: "mini" }
  ]
})

export const field = policy({
  name: "field",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  routes: ({ request }) => [
    { name: "a", wehn: request.stream, to: "mini" },
    //! wehn | TS2322 | "a route has no such field"
    { name: "b", to: "mini" }
  ]
})

export const empty = policy({
  name: "empty",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  routes: () => []
  //! [] | TS2322 | "a policy has at least one route"
})

sha256(5)
//! 5 | TS2345 | parameter of type 'string'
usd("5")
//! "5" | TS2345 | parameter of type 'number'
