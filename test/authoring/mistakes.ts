// Mistakes, each of which is one error at the wrong word. Under each line stands `//! word | code | part of the message` for every error in
// it; `test/AuthoringTypes.test.ts` compares that with what the compiler says, and computes the column from the word.
import { env, organisation, policy, sha256, usd } from "turnout"

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
    //! per | TS2322 | Type '"user"' is not assignable to type '"class" | "key" | "organisation" | "team"'
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
    eu: { dialect: "mistral", key: env("MISTRAL_API_KEY"), region: "eu", open: true },
    none: { dialect: "openai", keys: [] },
    //! keys: | TS2322 | Type '[]' is not assignable to type
    pasted: { dialect: "openai", keys: ["sk-1", env("B")] },
    //! "sk-1" | TS2322 | Type 'string' is not assignable to type
    heavy: { dialect: "openai", keys: [{ key: env("A"), weight: "3" }] }
    //! weight: | TS2322 | Type 'string' is not assignable to type 'number'
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
    //! when: | TS2741 | in type 'Text<string>' but required in type 'Condition<"call">'
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
    //! "mini" | TS2345 | parameter of type 'Condition<"call">'
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

export const answers = policy({
  name: "answers",
  providers: { openai: { dialect: "openai" } },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini", tags: ["cheap"], capabilities: { vison: true } },
    //! vison | TS2561 | Did you mean to write 'vision'?
    big: { provider: "openai", model: "gpt-4o", capabilities: { contextWindow: "128k" }, deployment: 5 }
    //! contextWindow | TS2322 | Type 'string' is not assignable to type 'number'
    //! deployment | TS2322 | Type 'number' is not assignable to type 'string'
  },
  pools: {
    chat: { by: "latncy", of: ["mini", "big"] },
    //! by | TS2820 | Did you mean '"latency"'?
    cheap: { by: "cost", of: ["mini", "bgi", { target: "bgi", set: {} }, { target: "big", set: { temperture: 0 } }] }
    //! "bgi" | TS2322 | Type '"bgi"' is not assignable to type
    //! target | TS2322 | Type '"bgi"' is not assignable to type '"big" | "mini"'
    //! temperture | TS2561 | Did you mean to write 'temperature'?
  },
  routes: ({ asked, first, hedge, pool, retry, send, shadow, split, spread, within }) => [
    { name: "a", to: pool("chta") },
    //! "chta" | TS2345 | parameter of type '"chat" | "cheap"'
    { name: "b", to: spread("latncy", ["mini"]) },
    //! "latncy" | TS2345 | is not assignable to parameter of type
    { name: "c", to: spread("latency", ["mini", "bgi", send("big")]) },
    //! "bgi" | TS2322 | Type '"bgi"' is not assignable to type
    { name: "d", to: spread("cost", ["mini", first("mini", "big")]) },
    //! first( | TS2322 | Type 'Built<"big" | "mini">' is not assignable to type
    { name: "e", to: spread("cost", "mini") },
    //! "mini" | TS2345 | parameter of type 'readonly
    { name: "f", to: retry({ attempts: "3" }, "mini") },
    //! attempts | TS2322 | Type 'string' is not assignable to type 'number'
    { name: "g", to: retry({ attempts: 3, frist: "1 seconds" }, "mini") },
    //! frist | TS2561 | Did you mean to write 'first'?
    { name: "h", to: retry({ attempts: 3, first: "1 second", longest: "8 seconds" }, "mini") },
    //! first | TS2322 | Type '"1 second"' is not assignable to type
    { name: "i", to: retry({ attempts: 3, on: ["rate-limited", "rate-limted"] }, "mini") },
    //! "rate-limted" | TS2820 | Did you mean '"rate-limited"'?
    { name: "j", to: retry({ attempts: 3 }, "bgi") },
    //! "bgi" | TS2345 | parameter of type 'Strategy<"big" | "mini">'
    { name: "k", to: retry({ on: ["timeout"] }, "mini") },
    //! { on | TS2741 | Property 'attempts' is missing
    { name: "l", to: hedge("mini", { after: "800 milis", with: "big" }) },
    //! after | TS2322 | Type '"800 milis"' is not assignable to type
    { name: "m", to: hedge("mini", { after: "800 millis", with: "bgi" }) },
    //! with | TS2322 | Type '"bgi"' is not assignable to type
    { name: "n", to: hedge("mini", { after: "800 millis" }) },
    //! { after | TS2741 | Property 'with' is missing
    { name: "o", to: hedge("mini", "big") },
    //! "big" | TS2345 | parameter of type 'HedgeOptions<"big" | "mini">'
    { name: "p", to: send("mini", { temperature: "cold", maxTokens: 5 }) },
    //! temperature | TS2322 | Type 'string' is not assignable to type 'number'
    { name: "q", to: send("mini", { maxOutputToken: 5 }) },
    //! maxOutputToken | TS2561 | Did you mean to write 'maxOutputTokens'?
    { name: "r", to: send("mini", { reasoningEffort: "little" }) },
    //! reasoningEffort | TS2322 | Type '"little"' is not assignable to type
    { name: "s", to: send("mini", { headers: { "x-tier": 1 } }) },
    //! "x-tier" | TS2322 | Type 'number' is not assignable to type 'string'
    { name: "t", to: split({ by: "caller.key", salt: "s" }, [{ name: "a", weight: 100, to: "bgi" }]) },
    //! by: | TS2322 | Type 'string' is not assignable to type 'Unit'
    { name: "u", to: first("mini", [{ name: "a" }]) },
    //! [{ | TS2345 | parameter of type 'FirstOptions | Strategy<"big" | "mini">'
    { name: "v", to: within("60 seconds", asked) },
    //! asked | TS2345 | '() => Built<"big" | "mini">' is not assignable
    { name: "w", to: shadow("mini", { copy: "bgi", sample: 5 }) },
    //! copy | TS2322 | Type '"bgi"' is not assignable to type
    { name: "x", to: shadow("mini", { copy: "big" }) }
    //! { copy | TS2741 | Property 'sample' is missing
  ]
})

export const arms = policy({
  name: "arms",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  routes: ({ caller, first, split }) => [
    { name: "a", to: split({ by: caller.key, salt: "s" }, [{ name: "a", weight: 100, to: "bgi" }]) },
    //! to: "bgi" | TS2322 | Type '"bgi"' is not assignable to type
    { name: "b", to: split({ by: caller.key, salt: "s" }, [{ name: "a", weigth: 100, to: "big" }]) },
    //! weigth | TS2561 | Did you mean to write 'weight'?
    { name: "c", to: split({ by: caller.key, salt: "s" }, [{ name: "a", weight: 100, to: first("mini", "bgi") }]) },
    //! "bgi" | TS2345 | parameter of type 'FirstOptions | Strategy<"big" | "mini">'
    { name: "d", to: split({ by: caller.key, salt: "s" }, { mini: 95, big: first("mini") }) }
    //! big: | TS2322 | Type 'Built<"big" | "mini">' is not assignable to type 'number'
  ]
})

export const facts = policy({
  name: "facts",
  tags: ["beta"],
  zone: "Europe/Berlin",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  budgets: { month: { per: "team", limit: usd(20), every: "month" } },
  layers: [organisation({ name: "acme", budgets: { company: { per: "organisation", limit: usd(900), every: "month" } } })],
  classes: { eng: { may: ["mini"], within: ["month"] } },
  keys: { a: { secret: env("A"), class: "eng", organisation: "acme", tags: ["beta"] } },
  routes: ({ all, budget, caller, health, opaque, request, time }) => [
    { name: "a", when: request.needs.adio, to: "mini" },
    //! adio | TS2551 | Did you mean 'audio'?
    { name: "b", when: caller.tag("btea"), to: "mini" },
    //! "btea" | TS2345 | parameter of type '"beta"'
    { name: "c", when: caller.tags, to: "mini" },
    //! tags | TS2551 | Did you mean 'tag'?
    { name: "d", when: time.hour.gte("9"), to: "mini" },
    //! "9" | TS2345 | parameter of type 'number'
    { name: "e", when: time.weekday.oneOf("saturday", "sonday"), to: "mini" },
    //! "sonday" | TS2345 | is not assignable to parameter of type
    { name: "f", when: time.hour, to: "mini" },
    //! when: | TS2741 | in type 'Numeric<"call">' but required in type 'Condition<"call">'
    { name: "g", when: health("mni").up, to: "mini" },
    //! "mni" | TS2345 | parameter of type '"big" | "mini"'
    { name: "h", when: health("mini").latencyMillis.gt(500), to: "mini" },
    //! gt( | TS2339 | does not exist on type 'NumberOrAbsent'
    { name: "i", when: health("mini").latencyMilis.present(), to: "mini" },
    //! latencyMilis | TS2551 | Did you mean 'latencyMillis'?
    { name: "j", when: all(health("mini").up.or(true), request.stream), to: "mini" },
    //! or( | TS2339 | Property 'or' does not exist on type 'Flag<"call">'
    { name: "k", when: budget("compny").spent.gt(5), to: "mini" },
    //! "compny" | TS2345 | parameter of type '"company" | "month"'
    { name: "l", when: opaque("request.stream"), to: "mini" },
    //! "request.stream" | TS2345 | parameter of type 'JsonLogic'
    { name: "m", when: opaque(request.stream), to: "mini" },
    //! request.stream | TS2345 | parameter of type 'JsonLogic'
    { name: "n", when: opaque({ "==": [1, undefined] }), to: "mini" },
    //! undefined | TS2322 | Type 'undefined' is not assignable to type 'Json'
    { name: "o", when: { "===": [1, 1] }, to: "mini" },
    //! "===" | TS2353 | does not exist in type 'Condition<"call">'
    { name: "p", when: budget("company").usedRatio.gt(0.9), to: "big" }
  ]
})

export const limits = policy({
  name: "limits",
  zone: 1,
  //! zone | TS2322 | Type 'number' is not assignable to type 'string'
  tags: ["beta"],
  commit: "first-contnt",
  //! commit | TS2820 | Did you mean '"first-content"'?
  timeouts: { connect: "5 secs", idle: "never" },
  //! connect | TS2322 | Type '"5 secs"' is not assignable to type
  //! idle | TS2322 | Type '"never"' is not assignable to type
  effort: { attempts: "4", dollars: 1 },
  //! attempts | TS2322 | Type 'string' is not assignable to type 'number'
  //! dollars | TS2322 | Type 'number' is not assignable to type
  accept: [{ finding: "split-unit", at: "canary" }],
  //! { finding | TS2741 | Property 'because' is missing
  layers: [{ name: "acme" }],
  //! { name | TS2739 | missing the following properties
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  classes: { eng: { may: ["mini"] } },
  keys: { a: { secret: env("A"), class: "eng", organisation: 5, tags: ["beta", "btea"] } },
  //! organisation | TS2322 | Type 'number' is not assignable to type 'string'
  //! "btea" | TS2322 | Type '"btea"' is not assignable to type '"beta"'
  routes: () => [{ name: "all", to: "mini" }]
})

export const misspelt = policy({
  name: "misspelt",
  timeouts: { conect: "5 seconds" },
  //! conect | TS2561 | Did you mean to write 'connect'?
  effort: { attempts: 3, time: "60 seconds", dolars: usd(1) },
  //! dolars | TS2561 | Did you mean to write 'dollars'?
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  routes: () => [{ name: "all", to: "mini" }]
})

export const sectionless = policy({
  name: "sectionless",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  poools: {},
  //! poools | TS2561 | Did you mean to write 'pools'?
  routes: () => [{ name: "all", to: "mini" }]
})

export const routeLimits = policy({
  name: "route-limits",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  routes: () => [
    { name: "a", commit: "hole", to: "mini" },
    //! commit | TS2820 | Did you mean '"whole"'?
    { name: "b", timeouts: { total: "60 sec" }, to: "mini" },
    //! total | TS2322 | Type '"60 sec"' is not assignable to type
    { name: "c", effort: { attempts: 3, dollars: usd(1), time: 5 }, to: "mini" },
    //! time | TS2322 | is not assignable to type
    { name: "d", to: "big" }
  ]
})

export const routeFields = policy({
  name: "route-fields",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  routes: () => [
    { name: "a", timeouts: { totl: "60 seconds" }, to: "mini" },
    //! totl | TS2322 | "there is no such limit"
    { name: "b", timeouts: { total: "60 seconds", idel: "5 seconds" }, to: "mini" },
    //! idel | TS2322 | "there is no such limit"
    { name: "c", effort: { attemps: 3, time: "5 seconds" }, to: "mini" },
    //! attemps | TS2322 | "there is no such limit"
    { name: "d", comit: "whole", to: "big" },
    //! comit | TS2322 | "a route has no such field"
    { name: "e", to: "big" }
  ]
})

export const kept = policy({
  name: "kept",
  providers: { openai: { dialect: "openai" }, eu: { dialect: "mistral", region: "eu" } },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini", tags: ["cheap"] },
    french: { provider: "eu", model: "mistral-small", tags: ["local"] }
  },
  guards: ({ caller, request }) => [
    { name: "a", forbid: { targets: ["mni"] } },
    //! "mni" | TS2820 | Did you mean '"mini"'?
    { name: "b", require: { providers: ["eu", "ue"] } },
    //! "ue" | TS2322 | to type '"eu" | "openai"'
    { name: "c", require: { tags: ["locl"] } },
    //! "locl" | TS2820 | Did you mean '"local"'?
    { name: "d", forbid: { vendors: ["rooter"] } },
    //! "rooter" | TS2820 | Did you mean '"router"'?
    { name: "e", forbid: { capabilities: ["vison"] } },
    //! "vison" | TS2820 | Did you mean '"vision"'?
    { name: "f", forbid: { outputAbove: 10 } },
    //! outputAbove | TS2322 | Type 'number' is not assignable to type 'Usd'
    { name: "g", when: caller.team, forbid: { regions: ["us"] } },
    //! when: | TS2741 | in type 'TextOrAbsent' but required in type 'Condition<"call">'
    { name: "h", when: caller.class.is("eng"), forbid: { regions: ["us"] } },
    //! "eng" | TS2345 | parameter of type '"local"'
    { name: "i", when: request.strem, forbid: { regions: ["us"] } },
    //! strem | TS2551 | Did you mean 'stream'?
    { name: "j", require: { regions: ["eu"] } }
  ],
  routes: () => [{ name: "all", to: "mini" }]
})

export const sides = policy({
  name: "sides",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" } },
  guards: ({ request }) => [
    { name: "a", forbid: { regions: ["us"], regoins: ["cn"] } },
    //! regoins | TS2322 | "targets have no such field to choose them by"
    { name: "b", wehn: request.stream, forbid: { regions: ["us"] } },
    //! wehn | TS2322 | "a guard has no such field"
    { name: "c", forbid: { regions: ["us"] }, require: { regions: ["eu"] } },
    //! name | TS2322 | "a guard says either `forbid` or `require`"
    { name: "d", when: request.stream },
    //! name | TS2322 | "a guard says either `forbid` or `require`"
    { name: "e", forbid: { tragets: ["mini"] } },
    //! tragets | TS2322 | "targets have no such field to choose them by"
    { name: "f", forbid: { targets: ["mini"] } }
  ],
  routes: () => [{ name: "all", to: "mini" }]
})

export const cascades = policy({
  name: "cascades",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "gpt-4o-mini" }, big: { provider: "openai", model: "gpt-4o" } },
  guards: ({ request }) => [{ name: "g", when: request.stream, forbid: { targets: ["big"] } }],
  routes: ({ all, answer, any, escalate, not, request, when }) => [
    { name: "a", to: escalate("mini", { if: answer.stop.is("max-token"), to: "big" }) },
    //! "max-token" | TS2345 | '"max-token"' is not assignable to parameter of type
    { name: "b", to: escalate("mini", { if: answer.stop.oneOf("end", "length"), to: "big" }) },
    //! "length" | TS2345 | '"length"' is not assignable to parameter of type
    { name: "c", to: escalate("mini", { if: request.stream, to: "big" }) },
    //! if: | TS2322 | Type 'Flag<"call">' is not assignable to type 'Condition<"answer">'
    { name: "d", to: escalate("mini", { if: any(answer.refused, not(answer.isJson), request.messages.gt(3)), to: "big" }) },
    //! request.messages | TS2345 | 'Condition<"call">' is not assignable to parameter of type 'Condition<"answer">'
    { name: "e", when: answer.refused, to: "mini" },
    //! when | TS2322 | is not assignable to type
    { name: "f", when: all(request.stream, not(answer.refused)), to: "mini" },
    //! not | TS2345 | 'Condition<"answer">' is not assignable to parameter of type 'Condition<"call">'
    { name: "g", to: when(answer.characters.lt(5), "mini", "big") },
    //! answer.characters | TS2345 | 'Condition<"answer">' is not assignable to parameter of type 'Condition<"call">'
    { name: "h", to: escalate("mini", { if: answer.outputTokens.gt(5), to: "big" }) },
    //! gt | TS2339 | does not exist on type 'CountOrAbsent'
    { name: "i", to: escalate("mini", { if: answer.length.gt(5), to: "big" }) },
    //! length | TS2339 | does not exist on type 'AnswerFacts'
    { name: "j", to: escalate("mini", { if: answer.refused, to: "bgi" }) },
    //! to: "bgi" | TS2322 | Type '"bgi"' is not assignable to type
    { name: "k", to: escalate("mini", { to: "big" }) }
    //! { to | TS2741 | Property 'if' is missing
  ]
})

export const acme = organisation({
  name: "acme",
  guards: ({ budget, caller, request }) => [
    { name: "a", when: caller.team.is("core"), forbid: { vendors: ["router"] } },
    //! is( | TS2339 | does not exist on type 'TextOrAbsent'
    { name: "b", when: budget("compny").spent.gt(5), forbid: { targets: ["any", "name"] } },
    //! "compny" | TS2345 | parameter of type '"company"'
    { name: "c", when: request.stream, forbid: { vendors: ["rooter"] } },
    //! "rooter" | TS2820 | Did you mean '"router"'?
    { name: "d", forbid: { outputAbove: 5 } }
    //! outputAbove | TS2322 | Type 'number' is not assignable to type 'Usd'
  ],
  budgets: { company: { per: "organisation", limit: usd(900), every: "month" } }
})

export const other = organisation({
  name: "other",
  budgets: { company: { per: "organisation", limt: usd(900), every: "month" } },
  //! limt | TS2561 | Did you mean to write 'limit'?
  routes: () => []
})

export const third = organisation({ name: "third", routes: () => [] })
//! routes | TS2353 | 'routes' does not exist in type

sha256(5)
//! 5 | TS2345 | parameter of type 'string'
usd("5")
//! "5" | TS2345 | parameter of type 'number'
