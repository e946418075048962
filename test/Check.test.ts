import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { providerKinds } from "../src/Providers.ts"
import { check } from "../src/Check.ts"
import { compile } from "../src/Compile.ts"
import { placeOf, render } from "../src/Finding.ts"
import { canonical, decode, hash, type PolicyEncoded, type StrategyEncoded } from "../src/Policy.ts"
import { type Row, rowsOf, table } from "./check/table.ts"
import { factsOf, policy, valuesOf } from "./generators.ts"

const base = {
  name: "test",
  providers: { openai: { dialect: "openai" } },
  targets: { mini: { provider: "openai", model: "small-1" }, big: { provider: "openai", model: "large-1" } },
  routes: [{ name: "default", to: "mini" }]
}
const routes = (...routes: ReadonlyArray<unknown>) => ({ ...base, routes })
const to = (strategy: unknown, more: object = {}) => ({ ...base, ...more, routes: [{ name: "default", to: strategy }] })
const first = (of: unknown, more: object = {}) => to({ _tag: "First", of, ...more })
const arm = (name: string, weight: unknown, to: unknown = "mini") => ({ name, weight, to })
const split = (arms: ReadonlyArray<unknown>, by: unknown = { fact: "request.id" }, salt = "s") => to({ _tag: "Split", by, salt, arms })
const within = (duration: string, of: unknown) => ({ _tag: "Within", duration, of })
const deny = { _tag: "Deny", status: 403, code: "not_today", message: "no" }
const openai = (more: object) => ({ ...base, providers: { openai: { dialect: "openai", ...more } } })
const mini = (more: object) => ({ ...base, targets: { mini: { provider: "openai", model: "m", ...more } } })
const isA = { "===": [{ var: "request.model" }, "a"] }
const below = { "<": [{ var: "request.maxOutputTokens" }, 5] }

/** What is found without looking at the calls that a policy can get. */
const structural = ["form", "names", "conditions", "routes", "strategies"]

const name = "expected a name: a letter, then at most 63 letters, digits, `-` or `_`"
const strategies =
  "known are Send, Asked, Deny, First, Split, Spread, Pool, When, Hedge, Shadow, Escalate, Within, Retry, or a target's name"
const sections =
  "known are version, name, splitHash, metadata, headers, tags, zone, layers, providers, targets, pools, aliases, budgets, classes, keys, guards, commit, translation, fetch, timeouts, effort, routes, accept"
const send = (target: string, set: object) => ({ _tag: "Send", target, set })
const spread = (...of: ReadonlyArray<unknown>) => ({ _tag: "Spread", by: "latency", of })
const pool = (name: string) => ({ _tag: "Pool", pool: name })
const hedge = (of: unknown, other: unknown, after = "1 seconds") => ({ _tag: "Hedge", of, after, with: other })
const retry = (of: unknown, more: object = {}) => ({ _tag: "Retry", attempts: 3, of, ...more })
const guarded = (guard: object) => ({ ...base, guards: [{ name: "g", ...guard }] })

table(
  "form",
  {
    "no object": [5, ["error", "wrong-form", "", "expected Policy, but found `5`"]],
    nothing: [null, ["error", "wrong-form", "", "expected Policy, but found `null`"]],
    "an empty object": [
      {},
      ["error", "missing-field", "name", "`name` is missing"],
      ["error", "missing-field", "providers", "`providers` is missing"],
      ["error", "missing-field", "targets", "`targets` is missing"],
      ["error", "missing-field", "routes", "`routes` is missing"]
    ],
    "an unknown field": [
      { ...base, target: {} },
      ["error", "unknown-field", "target", "`target` is not a field here", "did you mean `targets`?"]
    ],
    "an unknown field, far from any": [
      openai({ url: "x" }),
      [
        "error",
        "unknown-field",
        "providers.openai.url",
        "`url` is not a field here",
        "known are dialect, baseUrl, key, keys, auth, project, apiVersion, speaks, region, open, mock"
      ]
    ],
    "an unknown field of a strategy": [
      to({ _tag: "Send", target: "mini", retries: 3 }),
      ["error", "unknown-field", 'routes[0] "default".to.retries', "`retries` is not a field here", "known are _tag, target, set"]
    ],
    "an unknown field of an arm": [
      split([{ ...arm("a", 100), wieght: 1 }]),
      ["error", "unknown-field", 'routes[0] "default".to.split.a.wieght', "`wieght` is not a field here", "did you mean `weight`?"]
    ],
    "an unknown field with an inherited name": [
      JSON.parse('{"name":"t","providers":{"openai":{"dialect":"openai"}},"targets":{},"routes":[{"name":"d","to":"x"}],"__proto__":{}}'),
      ["error", "unknown-field", "__proto__", "`__proto__` is not a field here", sections]
    ],
    "a missing field, deeper": [
      { ...base, targets: { mini: { provider: "openai" } } },
      ["error", "missing-field", "targets.mini.model", "`model` is missing"]
    ],
    "a route that goes nowhere": [routes({ name: "default" }), ["error", "missing-field", 'routes[0] "default".to', "`to` is missing"]],
    "an unknown strategy": [
      to({ _tag: "Frist", of: ["mini"] }),
      ["error", "unknown-strategy", 'routes[0] "default".to', 'unknown strategy `"Frist"`', "did you mean `First`?"]
    ],
    "an unknown strategy, far from any and deep inside": [
      first(["mini", { _tag: "Mirror", of: "big" }]),
      ["error", "unknown-strategy", 'routes[0] "default".to.first[1]', 'unknown strategy `"Mirror"`', strategies]
    ],
    "a strategy without a tag": [
      to({ of: ["mini"] }),
      ["error", "unknown-strategy", 'routes[0] "default".to', "a strategy without `_tag`", strategies]
    ],
    "a number for a strategy": [
      to(within("1 seconds", 5)),
      ["error", "wrong-form", 'routes[0] "default".to.within', "expected a strategy or a target's name, but found `5`"]
    ],
    "a list for a strategy": [
      to(["mini"]),
      ["error", "wrong-form", 'routes[0] "default".to', 'expected a strategy or a target\'s name, but found `["mini"]`']
    ],
    "no route": [routes(), ["error", "wrong-form", "routes", "expected at least one, but the list is empty"]],
    "a failover of nothing": [
      first([]),
      ["error", "wrong-form", 'routes[0] "default".to.first', "expected at least one, but the list is empty"]
    ],
    "a split without arms": [
      split([]),
      ["error", "wrong-form", 'routes[0] "default".to.arms', "expected at least one, but the list is empty"]
    ],
    "a name that begins with a digit": [{ ...base, name: "1st" }, ["error", "wrong-form", "name", `${name}, but found \`"1st"\``]],
    "a target's name with a dot": [
      { ...base, targets: { "a.b": { provider: "openai", model: "m" } } },
      ["error", "wrong-form", 'targets["a.b"]', "`a.b` is not a name", "names are a letter, then at most 63 letters, digits, `-` or `_`"]
    ],
    "metadata with a dot": [{ ...base, metadata: ["a.b"] }, ["error", "wrong-form", "metadata[0]", `${name}, but found \`"a.b"\``]],
    "a header in upper case": [
      { ...base, headers: ["X-App"] },
      ["error", "wrong-form", "headers[0]", 'expected a header name in lower case, but found `"X-App"`']
    ],
    "an unknown dialect": [
      openai({ dialect: "openia" }),
      [
        "error",
        "wrong-form",
        "providers.openai.dialect",
        `expected ${providerKinds.map((kind) => `"${kind}"`).join(" | ")}, but found \`"openia"\``,
        "did you mean `openai`?"
      ]
    ],
    "an address of another protocol": [
      openai({ baseUrl: "ftp://x" }),
      ["error", "wrong-form", "providers.openai.baseUrl", 'expected an http or https URL, but found `"ftp://x"`']
    ],
    "a password in an address, which is not repeated": [
      openai({ baseUrl: "https://me:hunter2@x/v1" }),
      ["error", "wrong-form", "providers.openai.baseUrl", "expected a URL without credentials: use `key`"]
    ],
    "a query in an address": [
      openai({ baseUrl: "https://x/v1?a=1" }),
      ["error", "wrong-form", "providers.openai.baseUrl", 'expected a URL without query and fragment, but found `"https://x/v1?a=1"`']
    ],
    "a secret where its variable belongs, which is not repeated": [
      openai({ key: { env: "sk-proj-1234" } }),
      ["error", "wrong-form", "providers.openai.key.env", "expected the name of an environment variable"]
    ],
    "a status that is no error": [
      to({ ...deny, status: 200 }),
      ["error", "wrong-form", 'routes[0] "default".to.status', "expected a value between 400 and 599, but found `200`"]
    ],
    "a code in upper case": [
      to({ ...deny, code: "No" }),
      ["error", "wrong-form", 'routes[0] "default".to.code', 'expected a code in snake_case, but found `"No"`']
    ],
    "a duration in other words": [
      to(within("5 secs", "mini")),
      [
        "error",
        "wrong-form",
        'routes[0] "default".to.duration',
        'expected a duration such as "60 seconds" (millis, seconds, minutes, hours, days), but found `"5 secs"`'
      ]
    ],
    "a misspelt class of failure": [
      first(["mini", "big"], { on: ["timeuot"] }),
      [
        "error",
        "wrong-form",
        'routes[0] "default".to.on[0]',
        'expected "rate-limited" | "quota-exhausted" | "overloaded" | "server-error" | "timeout" | "connection" | "stream-cut" | "malformed" | "context-length" | "content-filter" | "bad-request" | "auth", but found `"timeuot"`',
        "did you mean `timeout`?"
      ]
    ],
    "a caller who has gone cannot be failed over": [
      first(["mini", "big"], { on: ["cancelled"] }),
      [
        "error",
        "wrong-form",
        'routes[0] "default".to.on[0]',
        'expected "rate-limited" | "quota-exhausted" | "overloaded" | "server-error" | "timeout" | "connection" | "stream-cut" | "malformed" | "context-length" | "content-filter" | "bad-request" | "auth", but found `"cancelled"`'
      ]
    ],
    "no salt": [
      split([arm("a", 100)], undefined, ""),
      ["error", "wrong-form", 'routes[0] "default".to.salt', 'expected one to 128 characters, but found `""`']
    ],
    "a weight in words": [
      split([arm("a", "100")]),
      ["error", "wrong-form", 'routes[0] "default".to.split.a', 'expected number, but found `"100"`']
    ],
    "what `send` sets": [
      to(send("mini", { temprature: 1, temperature: 3, reasoningEffort: "hihg", region: "eu west" })),
      [
        "error",
        "unknown-field",
        'routes[0] "default".to.set.temprature',
        "`temprature` is not a field here",
        "did you mean `temperature`?"
      ],
      ["error", "wrong-form", 'routes[0] "default".to.set.temperature', "expected a value between 0 and 2, but found `3`"],
      [
        "error",
        "wrong-form",
        'routes[0] "default".to.set.reasoningEffort',
        'expected "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max", but found `"hihg"`',
        "did you mean `high`?"
      ],
      ["error", "wrong-form", 'routes[0] "default".to.set.region', 'expected a region such as `eu-west-1`, but found `"eu west"`']
    ],
    "headers that no policy sets, and a value that is not repeated": [
      to(send("mini", { headers: { Authorization: "x", "x-api-key": "y", "x-app": "geheim\n" } })),
      ...(["Authorization", "x-api-key"] as const).map((name): Row => [
        "error",
        "wrong-form",
        `routes[0] "default".to.set.headers.${name}`,
        `\`${name}\` is not a header that a policy sets`,
        "a name in lower case, and neither a credential nor the connection's"
      ]),
      ["error", "wrong-form", 'routes[0] "default".to.set.headers.x-app', "expected printable ASCII"]
    ],
    "members of a spread are targets": [
      to(spread("mini", { _tag: "First", of: ["big"] }, 5, { _tag: "Sned", target: "big" }, {}, { _tag: "Send", target: "big", sett: {} })),
      [
        "error",
        "wrong-form",
        'routes[0] "default".to.spread[1]',
        "expected a target's name or `Send`, but found `First`",
        "put it around the whole, or name its targets here"
      ],
      ["error", "wrong-form", 'routes[0] "default".to.spread[2]', "expected a target's name or `Send`, but found `5`"],
      ["error", "unknown-strategy", 'routes[0] "default".to.spread[3]', 'unknown strategy `"Sned"`', "did you mean `Send`?"],
      ["error", "unknown-strategy", 'routes[0] "default".to.spread[4]', "a strategy without `_tag`", "expected a target's name or `Send`"],
      ["error", "unknown-field", 'routes[0] "default".to.spread[5].sett', "`sett` is not a field here", "did you mean `set`?"]
    ],
    "members of a pool are targets": [
      { ...base, pools: { chat: { by: "cheapest", of: ["mini", retry("big")] }, none: { by: "cost", of: [] } } },
      ["error", "wrong-form", "pools.chat.by", 'expected "latency" | "least-busy" | "round-robin" | "cost", but found `"cheapest"`'],
      [
        "error",
        "wrong-form",
        "pools.chat[1]",
        "expected a target's name or `Send`, but found `Retry`",
        "put it around the whole, or name its targets here"
      ],
      ["error", "wrong-form", "pools.none.of", "expected at least one, but the list is empty"]
    ],
    "a hedge without its other half": [
      to({ _tag: "Hedge", of: "mini", afer: "1 seconds", with: { _tag: "Frist" } }),
      ["error", "unknown-field", 'routes[0] "default".to.afer', "`afer` is not a field here", "did you mean `after`?"],
      ["error", "missing-field", 'routes[0] "default".to.hedge.after', "`after` is missing"],
      ["error", "unknown-strategy", 'routes[0] "default".to.hedge.with', 'unknown strategy `"Frist"`', "did you mean `First`?"]
    ],
    "a retry that tries once": [
      to(retry(retry("mini", { backoff: { frist: "1 seconds" } }), { attempts: 1 })),
      ["error", "wrong-form", 'routes[0] "default".to.attempts', "expected a value between 2 and 10, but found `1`"],
      ["error", "unknown-field", 'routes[0] "default".to.retry.backoff.frist', "`frist` is not a field here", "did you mean `first`?"]
    ],
    "a guard forbids or requires": [
      { ...base, guards: [{ name: "eu-only" }, { name: "b", forbidd: { tags: ["a"] } }] },
      ["error", "wrong-form", 'guards[0] "eu-only"', 'expected either `forbid` or `require`, but found `{"name":"eu-only"}`'],
      ["error", "unknown-field", 'guards[1] "b".forbidd', "`forbidd` is not a field here", "did you mean `forbid`?"]
    ],
    "a guard says of what": [
      guarded({ forbid: {} }),
      ["error", "wrong-form", 'guards[0] "g".forbid', "expected at least one field to choose targets by, but found `{}`"]
    ],
    "what a guard chooses by": [
      guarded({ forbid: { provider: ["a"], providers: "openai", vendors: ["rooter"], tags: [], inputAbove: 5 } }),
      ["error", "unknown-field", 'guards[0] "g".forbid.provider', "`provider` is not a field here", "did you mean `providers`?"],
      ["error", "wrong-form", 'guards[0] "g".forbid.providers', 'expected array, but found `"openai"`', 'write ["openai"]'],
      [
        "error",
        "wrong-form",
        'guards[0] "g".forbid.vendors[0]',
        'expected "maker" | "cloud" | "host" | "router" | "own", but found `"rooter"`',
        "did you mean `router`?"
      ],
      ["error", "wrong-form", 'guards[0] "g".forbid.tags', "expected at least one, but the list is empty"],
      ["error", "wrong-form", 'guards[0] "g".forbid.inputAbove', "expected object, but found `5`", 'write { "usd": 5 }']
    ],
    "a layer's guard, at the layer's place": [
      {
        ...base,
        layers: [
          {
            name: "acme",
            guards: [
              { name: "a", forbid: { tags: ["x"] } },
              { name: "no-cn", forbid: {} }
            ]
          }
        ]
      },
      [
        "error",
        "wrong-form",
        'layers[0] "acme".guards[1] "no-cn".forbid',
        "expected at least one field to choose targets by, but found `{}`"
      ]
    ],
    "limits in other words": [
      { ...base, timeouts: { conect: "1 seconds", connect: "none" }, effort: { attempts: 0, dollars: 5 }, commit: "header" },
      ["error", "wrong-form", "commit", 'expected "headers" | "first-content" | "whole", but found `"header"`', "did you mean `headers`?"],
      ["error", "unknown-field", "timeouts.conect", "`conect` is not a field here", "did you mean `connect`?"],
      [
        "error",
        "wrong-form",
        "timeouts.connect",
        'expected a duration such as "60 seconds" (millis, seconds, minutes, hours, days), but found `"none"`'
      ],
      ["error", "wrong-form", "effort.attempts", "expected a value greater than 0, but found `0`"],
      ["error", "wrong-form", "effort.dollars", 'expected "none" | object, but found `5`', 'write { "usd": 5 }']
    ],
    "a time zone that is none": [
      { ...base, zone: "Europe/Berln" },
      [
        "error",
        "wrong-form",
        "zone",
        'expected a time zone such as `Europe/Berlin`, but found `"Europe/Berln"`',
        "did you mean `Europe/Berlin`?"
      ]
    ],
    "an accepted finding without a reason": [
      { ...base, accept: [{ finding: "pool-unused" }, { code: "pool-unused", finding: "x", because: "" }] },
      ["error", "missing-field", "accept[0].because", "`because` is missing"],
      ["error", "unknown-field", "accept[1].code", "`code` is not a field here", "known are finding, at, because"],
      ["error", "wrong-form", "accept[1].because", 'expected at least one character, but found `""`']
    ],
    "a later version": [
      { ...base, version: 2 },
      ["error", "wrong-form", "version", "expected 1, but found `2`", "this Turnout reads version 1"]
    ],
    "prices that no ledger holds": [
      mini({ price: { input: { usd: -1 }, output: { usd: 1e-10 } } }),
      ["error", "wrong-form", "targets.mini.price.input.usd", "expected a value between 0 and 9000000, but found `-1`"],
      ["error", "wrong-form", "targets.mini.price.output.usd", "expected at most nine decimals of a dollar, but found `1e-10`"]
    ],
    "no output at all": [
      mini({ maxOutputTokens: 0 }),
      ["error", "wrong-form", "targets.mini.maxOutputTokens", "expected a value greater than 0, but found `0`"]
    ],
    "several faults": [
      { ...first([{ _tag: "Sned", target: "mini" }, 5]), name: "", extra: 1 },
      ["error", "unknown-field", "extra", "`extra` is not a field here", sections],
      ["error", "wrong-form", "name", `${name}, but found \`""\``],
      ["error", "unknown-strategy", 'routes[0] "default".to.first[0]', 'unknown strategy `"Sned"`', "did you mean `Send`?"],
      ["error", "wrong-form", 'routes[0] "default".to.first[1]', "expected a strategy or a target's name, but found `5`"]
    ]
  },
  undefined,
  structural
)

table(
  "references",
  {
    "a mock at the provider's own address": [
      openai({ mock: { m: {} } }),
      [
        "error",
        "mock-address",
        "providers.openai.baseUrl",
        "a mock answers on a loopback address with a port",
        "such as `http://127.0.0.1:8081/v1`"
      ]
    ],
    "a mock elsewhere": [
      openai({ baseUrl: "http://10.0.0.1:8081/v1", mock: { m: {} } }),
      [
        "error",
        "mock-address",
        "providers.openai.baseUrl",
        "a mock answers on a loopback address with a port",
        "such as `http://127.0.0.1:8081/v1`"
      ]
    ],
    "a mock that is well": [openai({ baseUrl: "http://localhost:8081/v1", mock: { m: {} } })],
    "a key over plain http": [
      openai({ baseUrl: "http://gate.example/v1", key: { env: "K" } }),
      ["warning", "key-in-clear", "providers.openai.baseUrl", "the key of `openai` crosses the network unencrypted", "use https"]
    ],
    "a key over plain http to this machine": [openai({ baseUrl: "http://127.0.0.1:9/v1", key: { env: "K" } })],
    "an unknown provider": [
      mini({ provider: "opneai" }),
      ["error", "unknown-provider", "targets.mini.provider", "unknown provider `opneai`", "did you mean `openai`?"]
    ],
    "nothing to route to": [
      to(deny, { targets: {} }),
      ["error", "no-target", "targets", "there is nothing to route to", "declare a target, or a provider with `open: true`"]
    ],
    "an open provider is something to route to": [to(deny, { targets: {}, providers: { openai: { dialect: "openai", open: true } } })],
    "unknown targets among the members of a spread and of a pool": [
      to(
        { _tag: "First", of: [spread("mnii", send("bgi", { temperature: 1 })), pool("chat")] },
        { pools: { chat: { by: "cost", of: ["mini", "larg"] } } }
      ),
      ["error", "unknown-target", "pools.chat[1]", "unknown target `larg`"],
      ["error", "unknown-target", 'routes[0] "default".to.first[0].spread[0]', "unknown target `mnii`", "did you mean `mini`?"],
      ["error", "unknown-target", 'routes[0] "default".to.first[0].spread[1]', "unknown target `bgi`", "did you mean `big`?"]
    ],
    "an unknown pool, and one that nobody uses": [
      to(pool("caht"), { pools: { chat: { by: "cost", of: ["mini", "big"] } } }),
      ["error", "unknown-pool", 'routes[0] "default".to.pool', "unknown pool `caht`", "did you mean `chat`?"],
      ["warning", "pool-unused", "pools.chat", "no route uses pool `chat`", "use it, or leave it out"]
    ],
    "one member twice; with other things set it is another": [
      to(
        { _tag: "First", of: [pool("chat"), spread("big", send("big", { temperature: 0 }), "big")] },
        { pools: { chat: { by: "cost", of: ["mini", { _tag: "Send", target: "mini" }] } } }
      ),
      ["error", "member-twice", "pools.chat[1]", "`mini` is a member already", "leave one out"],
      ["error", "member-twice", 'routes[0] "default".to.first[1].spread[2]', "`big` is a member already", "leave one out"]
    ],
    "a set that sets nothing": [
      to({ _tag: "First", of: [send("mini", {}), send("big", { headers: {} })] }),
      ["error", "empty-set", 'routes[0] "default".to.first[0].set', "`set` sets nothing", "leave it out, or write `mini` alone"],
      ["error", "empty-set", 'routes[0] "default".to.first[1].set', "`set` sets nothing", "leave it out, or write `big` alone"]
    ],
    "a header that the dialect sends itself": [
      to(send("mini", { headers: { "anthropic-version": "2099-01-01", "anthropic-beta": "more" } }), {
        providers: { claude: { dialect: "anthropic" } },
        targets: { mini: { provider: "claude", model: "m" } }
      }),
      [
        "error",
        "own-header",
        'routes[0] "default".to.set.headers.anthropic-version',
        "`anthropic-version` is sent by the dialect of `mini` itself, so that setting it changes nothing",
        "leave it out"
      ]
    ],
    "a region that the address does not serve": [
      to(send("mini", { region: "eu" })),
      [
        "error",
        "region-without-address",
        'routes[0] "default".to.set.region',
        "`openai` answers at one address whatever the region, so `mini` would not be served in `eu`",
        "put `{region}` into the `baseUrl` of `openai`, or declare a target with that region"
      ]
    ],
    "a region in an address, with and without one": [
      to(send("west", { region: "us-1" }), {
        providers: {
          openai: { dialect: "openai" },
          a: { dialect: "openai", baseUrl: "https://{region}.llm.example/v1" },
          b: { dialect: "openai", baseUrl: "https://{regoin}.llm.example/{x}/v1" },
          c: { dialect: "openai", baseUrl: "https://llm.example/{region}/v1", open: true }
        },
        targets: {
          west: { provider: "a", model: "m", region: "us-2" },
          none: { provider: "a", model: "m2" },
          mini: { provider: "b", model: "m" }
        }
      }),
      ["error", "unknown-placeholder", "providers.b.baseUrl", "`{regoin}` stands for nothing in an address", "did you mean `{region}`?"],
      [
        "error",
        "unknown-placeholder",
        "providers.b.baseUrl",
        "`{x}` stands for nothing in an address",
        "only `{region}` and `{project}` do"
      ],
      [
        "error",
        "address-without-region",
        "providers.c",
        "`c` is open and answers at an address with `{region}`, but models that are not declared have no region",
        "say the `region` of `c`"
      ],
      [
        "error",
        "address-without-region",
        "targets.none",
        "`a` answers at an address with `{region}`, and `none` has no region",
        "say the `region` of `none` or of `a`"
      ]
    ],
    "tags of keys that the policy does not declare": [
      {
        ...base,
        tags: ["eu"],
        classes: { c: { may: ["mini"] } },
        keys: { k: { secret: { env: "K" }, class: "c", tags: ["eu", "ue", "premium"] } }
      },
      ["error", "unknown-tag", "keys.k.tags[1]", "`ue` is none of the policy's `tags`", "did you mean `eu`?"],
      ["error", "unknown-tag", "keys.k.tags[2]", "`premium` is none of the policy's `tags`", "add `premium` to the policy's `tags`"]
    ],
    "an alias that is a target": [
      { ...base, aliases: { mini: "big" } },
      ["error", "alias-shadowed", "aliases.mini", "`mini` is a target already, so the alias would never be looked at"]
    ],
    "an alias for nothing": [
      { ...base, aliases: { fast: "mni" } },
      ["error", "unknown-target", "aliases.fast", "unknown target `mni`", "did you mean `mini`?"]
    ],
    "an alias for something inherited": [
      { ...base, aliases: { fast: "constructor" } },
      ["error", "unknown-target", "aliases.fast", "unknown target `constructor`"]
    ],
    "aliases in a circle": [
      { ...base, aliases: { a: "b", b: "a" } },
      ["error", "alias-cycle", "aliases.a", "aliases go round in a circle: `a` → `b` → `a`"],
      ["error", "alias-cycle", "aliases.b", "aliases go round in a circle: `b` → `a` → `b`"]
    ],
    "two targets of one model": [
      to(
        { _tag: "Asked" },
        { targets: { one: { provider: "openai", model: "m" }, two: { provider: "openai", model: "m", region: "eu" } } }
      ),
      [
        "warning",
        "ambiguous-model",
        "targets.two.model",
        "a caller who asks for `openai/m` could mean `one` or `two`, and is refused",
        'say which in `aliases`: { "openai/m": "one" }'
      ],
      [
        "warning",
        "ambiguous-model",
        "targets.two.model",
        "a caller who asks for `m` could mean `one` or `two`, and is refused",
        'say which in `aliases`: { "m": "one" }'
      ]
    ],
    "two targets of one model that nobody can ask for, or that an alias tells apart": [
      {
        ...to(
          { _tag: "When", if: isA, then: "one", otherwise: { _tag: "Asked" } },
          {
            targets: { one: { provider: "openai", model: "m" }, two: { provider: "openai", model: "m", region: "eu" } },
            aliases: { m: "one", "openai/m": "two" }
          }
        )
      }
    ],
    "a model whose name looks like another's provider and model is not ambiguous": [
      to(
        { _tag: "Asked" },
        {
          providers: { openai: { dialect: "openai" }, router: { dialect: "openrouter" } },
          targets: { direct: { provider: "openai", model: "gpt-4o" }, routed: { provider: "router", model: "openai/gpt-4o" } }
        }
      )
    ]
  },
  undefined,
  structural
)

table(
  "routes",
  {
    "one name twice": [
      routes({ name: "a", when: isA, to: "mini" }, { name: "a", to: "big" }),
      ["error", "route-name-twice", 'routes[1] "a".name', "routes[0] is called `a` already"]
    ],
    "a default before the end": [
      routes({ name: "a", to: "mini" }, { name: "b", when: isA, to: "big" }, { name: "c", to: "big" }),
      [
        "error",
        "unreachable-route",
        'routes[1] "b"',
        "this route can never be chosen: `a` has no `when` and takes every request before it",
        "give `a` a `when`, or move it to the end"
      ],
      [
        "error",
        "unreachable-default",
        'routes[2] "c"',
        "the default route can never be chosen: `a` has no `when` and takes every request before it",
        "give `a` a `when`, or move it to the end"
      ]
    ],
    "one condition twice": [
      routes({ name: "a", when: isA, to: "mini" }, { name: "b", when: isA, to: "big" }, { name: "c", to: "big" }),
      ["error", "unreachable-route", 'routes[1] "b".when', "this route can never be chosen: `a` has the same condition and comes first"]
    ],
    "no default": [
      routes({ name: "a", when: isA, to: "mini" }),
      [
        "error",
        "no-default",
        'routes[0] "a".when',
        "a request that meets no condition has no route",
        "end with a route without `when`: `asked()`, a target, or a `deny`"
      ]
    ]
  },
  undefined,
  structural
)

table(
  "strategies",
  {
    "an unknown target": [
      to("mnii"),
      ["error", "unknown-target", 'routes[0] "default".to', "unknown target `mnii`", "did you mean `mini`?"]
    ],
    "an unknown target, far from any": [to("whatever"), ["error", "unknown-target", 'routes[0] "default".to', "unknown target `whatever`"]],
    "an inherited name for a target": [to("toString"), ["error", "unknown-target", 'routes[0] "default".to', "unknown target `toString`"]],
    "a failover that comes back": [
      first(["mini", within("1 seconds", "mini")]),
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[1].within',
        "the failover comes back to `mini`, which has failed by then",
        "name another target, or leave it out"
      ]
    ],
    "a failover that comes back after every arm": [
      first([
        {
          _tag: "Split",
          by: { fact: "request.id" },
          salt: "s",
          arms: [arm("a", 50, { _tag: "First", of: ["big", "mini"] }), arm("b", 50)]
        },
        "mini"
      ]),
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[1]',
        "the failover comes back to `mini`, which has failed by then",
        "name another target, or leave it out"
      ]
    ],
    "a failover that may come back after some arm": [
      first([{ _tag: "Split", by: { fact: "request.id" }, salt: "s", arms: [arm("a", 50, "big"), arm("b", 50)] }, "mini"])
    ],
    "a failover that comes back after both branches": [
      first([{ _tag: "When", if: isA, then: "mini", otherwise: within("1 seconds", "mini") }, "big", "mini"]),
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[2]',
        "the failover comes back to `mini`, which has failed by then",
        "name another target, or leave it out"
      ]
    ],
    "a failover that comes back after a hedge, and into a retry": [
      first([hedge("mini", "big"), "mini", retry("big")]),
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[1]',
        "the failover comes back to `mini`, which has failed by then",
        "name another target, or leave it out"
      ],
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[2].retry',
        "the failover comes back to `big`, which has failed by then",
        "name another target, or leave it out"
      ]
    ],
    "a failover that comes back into a spread and a pool": [
      to({ _tag: "First", of: ["mini", spread("mini", "big"), pool("all")] }, { pools: { all: { by: "cost", of: ["mini"] } } }),
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[2]',
        "the failover may come back to `mini`, which has failed by then",
        "spread over other targets"
      ],
      [
        "warning",
        "failover-cycle",
        'routes[0] "default".to.first[1]',
        "the failover may come back to `mini`, which has failed by then",
        "leave it out here, or before"
      ]
    ],
    "a spread of one has failed when it has, one of two has not": [
      first([spread("mini"), spread("mini", "big")]),
      [
        "warning",
        "failover-cycle",
        'routes[0] "default".to.first[1]',
        "the failover may come back to `mini`, which has failed by then",
        "leave it out here, or before"
      ]
    ],
    "after one of several nobody knows which has failed": [
      to(
        { _tag: "First", of: [spread("mini", "big"), pool("all"), "mini", "big"] },
        { pools: { all: { by: "cost", of: ["mini", "big"] } } }
      )
    ],
    "another region of a target is another try": [
      to(
        {
          _tag: "First",
          of: ["west", send("west", { region: "us-2" }), send("west", { deployment: "d" }), send("west", { temperature: 0 })]
        },
        {
          providers: { a: { dialect: "openai", baseUrl: "https://{region}.llm.example/v1" } },
          targets: { west: { provider: "a", model: "m", region: "us-1" } }
        }
      ),
      [
        "error",
        "failover-cycle",
        'routes[0] "default".to.first[3]',
        "the failover comes back to `west`, which has failed by then",
        "name another target, or leave it out"
      ]
    ],
    "a retry of a deny": [
      to(retry(first([deny]).routes[0]!.to)),
      [
        "warning",
        "retry-in-vain",
        'routes[0] "default".to',
        "every try ends in a `deny`, which is not tried again",
        "leave the `retry` out"
      ]
    ],
    "a retry of something that may end in a deny": [to(retry({ _tag: "First", of: ["mini", deny] }))],
    "a retry within a retry": [
      to(retry({ _tag: "First", of: [retry(within("1 seconds", "mini"), { attempts: 4 }), "big"] })),
      [
        "warning",
        "retry-nested",
        'routes[0] "default".to.retry.first[0]',
        "4 tries within a `retry` around it: up to 12 attempts for one call",
        "keep one of the two"
      ]
    ],
    "a retry for nothing, and one that waits longer than the longest wait": [
      to(retry("mini", { on: [], backoff: { first: "10 seconds" } })),
      [
        "error",
        "empty-on",
        'routes[0] "default".to.on',
        "`on` names no failure class, so nothing is ever tried again",
        "leave `on` out for the usual classes"
      ],
      [
        "warning",
        "retry-backoff",
        'routes[0] "default".to.backoff',
        "the first wait, 10 seconds, is longer than the longest, 8 seconds",
        "say a `longest` that is longer"
      ]
    ],
    "a hedge at once, with itself": [
      to(hedge(first(["mini", "big"]).routes[0]!.to, retry("big"), "0 seconds")),
      [
        "warning",
        "hedge-at-once",
        'routes[0] "default".to.hedge.after',
        "both are asked at once, so that every call is paid for twice",
        "wait about as long as nineteen of twenty answers take to begin"
      ],
      [
        "warning",
        "hedge-same",
        'routes[0] "default".to.hedge.with',
        "`big` is hedged with itself: what slows the first call down may slow the second down too",
        "hedge with another deployment"
      ]
    ],
    "a hedge within a hedge": [to(hedge("mini", hedge("big", { _tag: "Asked" })))],
    "something after a deny": [
      first([deny, "mini"]),
      ["error", "unreachable-fallback", 'routes[0] "default".to.first[1]', "nothing after a `deny` is ever tried", "put the `deny` last"]
    ],
    "no class to move on for": [
      first(["mini", "big"], { on: [] }),
      [
        "error",
        "empty-on",
        'routes[0] "default".to.on',
        "`on` names no failure class, so nothing after the first is tried for a failure",
        "leave `on` out for the usual classes"
      ]
    ],
    "one arm twice": [
      split([arm("a", 50), arm("a", 50, "big")]),
      ["error", "arm-twice", 'routes[0] "default".to.split.a', "there is an arm `a` already"]
    ],
    "weights that do not add up": [
      split([arm("a", 60), arm("b", 50, "big")]),
      [
        "error",
        "split-weights",
        'routes[0] "default".to.arms',
        "the weights of `a`, `b` add up to 110",
        "make them add up to 100, or to 10,000"
      ]
    ],
    "weights that are no positive integers": [
      split([arm("a", -1), arm("b", 0.5, "big"), arm("c", 0), arm("d", 100.5)]),
      ["error", "split-weights", 'routes[0] "default".to.split.a', "the weight of `a` is -1, but weights are positive integers"],
      ["error", "split-weights", 'routes[0] "default".to.split.b', "the weight of `b` is 0.5, but weights are positive integers"],
      ["error", "split-weights", 'routes[0] "default".to.split.c', "the weight of `c` is 0, but weights are positive integers"],
      ["error", "split-weights", 'routes[0] "default".to.split.d', "the weight of `d` is 100.5, but weights are positive integers"]
    ],
    "an unknown unit": [
      split([arm("a", 100)], { fact: "caller.kye" }),
      ["error", "unknown-fact", 'routes[0] "default".to.by.fact', "unknown fact `caller.kye`", "did you mean `caller.key`?"]
    ],
    "a number for a unit": [
      split([arm("a", 100)], { fact: "request.inputTokens" }),
      ["error", "split-unit", 'routes[0] "default".to.by.fact', "a split assigns by a text, but `request.inputTokens` is a number"]
    ],
    "a unit that may be absent": [
      split([arm("a", 100)], { fact: "caller.team" }),
      ["error", "split-unit", 'routes[0] "default".to.by.fact', "`caller.team` may be absent", "say in `or` what to assign by then"]
    ],
    "a unit with something for its absence": [split([arm("a", 100)], { fact: "caller.team", or: "none" })],
    "no time": [
      to(within("0 seconds", "mini")),
      ["error", "deadline", 'routes[0] "default".to.duration', "a deadline of no time fails every call"]
    ],
    "a deadline that never passes": [
      to(within("1 seconds", first(["big", within("1000 millis", "mini")]).routes[0]!.to)),
      [
        "warning",
        "deadline",
        'routes[0] "default".to.within.first[1].duration',
        "1000 millis never passes within 1 seconds around it",
        "leave it out, or make it shorter"
      ]
    ],
    "conditions of a route and inside": [
      routes(
        { name: "c", when: { "==": [{ var: "request.model" }, "a"] }, to: { _tag: "When", if: below, then: "mini", otherwise: "big" } },
        { name: "default", to: "mini" }
      ),
      [
        "error",
        "condition-operator",
        'routes[0] "c".when',
        "`==` is not an operator that can be analysed",
        'did you mean `===`? what cannot be analysed can be marked: {"opaque": {"==": …}}'
      ],
      [
        "error",
        "condition-absent",
        'routes[0] "c".to.when.if["<"]',
        "`request.maxOutputTokens` may be absent, and absence would count as 0",
        'put {"!==": [{"var": "request.maxOutputTokens"}, null]} before it in an `and`'
      ]
    ],
    "other faults of conditions": [
      routes(
        {
          name: "c",
          when: { and: [{ "===": [{ var: "request.modle" }, "a"] }, { "===": [{ var: "request.stream" }, "yes"] }, { or: [] }] },
          to: "mini"
        },
        { name: "default", to: "mini" }
      ),
      ["error", "unknown-fact", 'routes[0] "c".when.and[0]["==="][0].var', "unknown fact `request.modle`", "did you mean `request.model`?"],
      [
        "error",
        "condition-type",
        'routes[0] "c".when.and[1]["==="][1]',
        '`request.stream` is a boolean, but is compared with `"yes"`, a string'
      ],
      ["error", "condition", 'routes[0] "c".when.and[2].or', "expected a list of at least one condition"]
    ]
  },
  undefined,
  structural
)

table(
  "limits",
  {
    "no time and no money": [
      {
        ...base,
        timeouts: { connect: "0 seconds", idle: "0 millis" },
        effort: { time: "0 seconds" },
        routes: [{ name: "default", to: "mini", timeouts: { total: "0 days" }, effort: { dollars: { usd: 0 } } }]
      },
      ["error", "limit-of-nothing", "timeouts.connect", "`connect` of no time fails every attempt", "give it some time"],
      ["error", "limit-of-nothing", "timeouts.idle", "`idle` of no time fails every attempt", 'say "none" for no limit'],
      ["error", "limit-of-nothing", "effort.time", "an effort without time tries nothing", 'say "none" for no limit'],
      [
        "error",
        "limit-of-nothing",
        'routes[0] "default".timeouts.total',
        "`total` of no time fails every attempt",
        'say "none" for no limit'
      ],
      [
        "error",
        "limit-of-nothing",
        'routes[0] "default".effort.dollars',
        "an effort without dollars tries nothing",
        'say "none" for no limit'
      ]
    ],
    "limits that never pass, of the policy and of a route against it": [
      {
        ...base,
        timeouts: { total: "10 seconds", firstToken: "20 seconds", headers: "9 seconds" },
        routes: [
          { name: "a", when: isA, to: "mini", timeouts: { headers: "30 seconds" } },
          {
            name: "b",
            when: { "===": [{ var: "request.model" }, "b"] },
            to: "mini",
            timeouts: { total: "5 seconds", firstToken: "1 seconds" }
          },
          { name: "default", to: "mini", timeouts: { total: "none" } }
        ]
      },
      [
        "warning",
        "limit-never-passes",
        "timeouts.firstToken",
        "`firstToken` of 20 seconds never passes: `total` ends the attempt after 10 seconds",
        "make `firstToken` shorter, or `total` longer"
      ],
      [
        "warning",
        "limit-never-passes",
        'routes[0] "a".timeouts.headers',
        "`headers` of 30 seconds never passes: `total` ends the attempt after 10 seconds",
        "make `headers` shorter, or `total` longer"
      ],
      [
        "warning",
        "limit-never-passes",
        'routes[1] "b".timeouts.total',
        "`headers` of 9 seconds never passes: `total` ends the attempt after 5 seconds",
        "make `headers` shorter, or `total` longer"
      ]
    ],
    "a default is no contradiction": [{ ...base, timeouts: { total: "10 seconds" } }],
    "a commit before a failover could help": [
      {
        ...base,
        commit: "headers",
        routes: [
          { name: "a", when: isA, to: within("9 seconds", { _tag: "First", of: ["mini", "big"] }) },
          { name: "b", when: { "===": [{ var: "request.model" }, "b"] }, commit: "whole", to: retry("mini") },
          { name: "default", to: "mini" }
        ]
      },
      [
        "note",
        "commit-forestalls-failover",
        'routes[0] "a".to.within',
        "the answers of `a` count as begun with their headers, so one that is cut, empty or slow after them is not tried elsewhere",
        'commit with the "first-content", or with the "whole"'
      ]
    ]
  },
  undefined,
  structural
)

describe("places", () => {
  const json = {
    targets: { mini: { model: "m" }, "a b": {}, ü: {} },
    aliases: { "openai/gpt-4o": "x" },
    routes: [
      {
        name: 'the "best"',
        to: {
          _tag: "Split",
          arms: [
            {
              name: "next",
              weight: 5,
              to: {
                _tag: "First",
                of: ["a", { _tag: "When", then: "b", otherwise: { _tag: "Within", of: { _tag: "Send", target: "c" } } }]
              }
            },
            { weight: 95, to: "mini" }
          ]
        }
      },
      { to: "x" },
      {
        name: "chat",
        to: {
          _tag: "Retry",
          of: {
            _tag: "Hedge",
            of: { _tag: "Spread", of: ["a", { _tag: "Send", target: "b", set: {} }] },
            with: { _tag: "Pool", pool: "p" }
          }
        }
      }
    ],
    pools: { chat: { by: "cost", of: ["a", { _tag: "Send", target: "b" }] } },
    guards: [{ name: "eu-only", when: {} }],
    layers: [{ name: "acme", guards: [{}, { name: "no-cn" }], budgets: { all: {} } }],
    accept: [{ finding: "x", name: "no name of an entry" }]
  }
  const rows: ReadonlyArray<readonly [path: ReadonlyArray<PropertyKey>, place: string]> = [
    [[], ""],
    [["targets", "mini", "model"], "targets.mini.model"],
    [["targets", "a b", "model"], 'targets["a b"].model'],
    [["targets", "ü"], 'targets["ü"]'],
    [["aliases", "openai/gpt-4o"], 'aliases["openai/gpt-4o"]'],
    [["headers", 0], "headers[0]"],
    [["routes", 0], 'routes[0] "the \\"best\\""'],
    [["routes", 1, "to"], "routes[1].to"],
    [["routes", 7, "to"], "routes[7].to"],
    [["routes", 0, "to", "arms"], 'routes[0] "the \\"best\\"".to.arms'],
    [["routes", 0, "to", "arms", 0], 'routes[0] "the \\"best\\"".to.split.next'],
    [["routes", 0, "to", "arms", 0, "weight"], 'routes[0] "the \\"best\\"".to.split.next'],
    [["routes", 0, "to", "arms", 0, "to", "of", 0], 'routes[0] "the \\"best\\"".to.split.next.first[0]'],
    [["routes", 0, "to", "arms", 0, "to", "of", 1, "then"], 'routes[0] "the \\"best\\"".to.split.next.first[1].when.then'],
    [
      ["routes", 0, "to", "arms", 0, "to", "of", 1, "otherwise", "of", "target"],
      'routes[0] "the \\"best\\"".to.split.next.first[1].when.otherwise.within.target'
    ],
    [["routes", 0, "to", "arms", 1, "to"], 'routes[0] "the \\"best\\"".to.split[1]'],
    [["routes", 2, "to", "of"], 'routes[2] "chat".to.retry'],
    [["routes", 2, "to", "backoff", "first"], 'routes[2] "chat".to.backoff.first'],
    [["routes", 2, "to", "of", "of"], 'routes[2] "chat".to.retry.hedge'],
    [["routes", 2, "to", "of", "after"], 'routes[2] "chat".to.retry.hedge.after'],
    [["routes", 2, "to", "of", "with"], 'routes[2] "chat".to.retry.hedge.with'],
    [["routes", 2, "to", "of", "with", "pool"], 'routes[2] "chat".to.retry.hedge.with.pool'],
    [["routes", 2, "to", "of", "of", "of", 1, "set"], 'routes[2] "chat".to.retry.hedge.spread[1].set'],
    [["pools", "chat"], "pools.chat"],
    [["pools", "chat", "of", 1, "target"], "pools.chat[1].target"],
    [["guards", 0, "when"], 'guards[0] "eu-only".when'],
    [["layers", 0, "guards", 1, "forbid"], 'layers[0] "acme".guards[1] "no-cn".forbid'],
    [["layers", 0, "guards", 0], 'layers[0] "acme".guards[0]'],
    [["layers", 0, "budgets", "all"], 'layers[0] "acme".budgets.all'],
    [["accept", 0], "accept[0]"]
  ]
  for (const [path, place] of rows) it(place === "" ? "the policy" : place, () => assert.strictEqual(placeOf(json, path), place))

  it("render gives one line", () => {
    const [finding] = check(to("mnii")).findings
    assert.strictEqual(
      render(finding!, "policy.json:7:20"),
      'error[unknown-target] policy.json:7:20 routes[0] "default".to: unknown target `mnii`; did you mean `mini`?'
    )
    assert.strictEqual(render(check(5).findings[0]!), "error[wrong-form] expected Policy, but found `5`")
  })
})

describe("whatever it is given", () => {
  /** Either there is something to say, or a policy that compiles and decides. */
  const survives = (json: unknown, n: number): "refused" | "compiled" => {
    const { findings, policy } = check(json)
    for (const finding of findings) assert.isNotEmpty(render(finding))
    if (policy === undefined) {
      assert.isTrue(findings.some(({ level }) => level === "error"))
      return "refused"
    }
    const compiled = compile(policy)
    for (const values of fc.sample(valuesOf(factsOf(policy)), { numRuns: 3, seed: n })) {
      const { route } = compiled.decide(compiled.facts.of(values))
      assert.isDefined(policy.routes[route])
    }
    return "compiled"
  }

  it("JSON never makes it throw", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), (json, n) => {
        assert.strictEqual(survives(json, n), "refused")
      }),
      { numRuns: 1_000 }
    )
  })

  /** Everything inside `json`, with the way to put something else there. */
  const places = (
    json: unknown,
    put: (value: unknown) => unknown
  ): ReadonlyArray<{ readonly value: unknown; readonly put: (value: unknown) => unknown }> => {
    const inside = Array.isArray(json)
      ? json.flatMap((value, i) => places(value, (other) => put(json.with(i, other))))
      : typeof json === "object" && json !== null
        ? Object.entries(json).flatMap(([key, value]) => places(value, (other) => put({ ...json, [key]: other })))
        : []
    return [{ value: json, put }, ...inside]
  }

  const remove = (value: unknown, n: number): unknown => {
    if (Array.isArray(value)) return value.filter((_, i) => i !== n % value.length)
    if (typeof value !== "object" || value === null) return null
    const keys = Object.keys(value)
    return Object.fromEntries(Object.entries(value).filter(([key]) => key !== keys[n % keys.length]))
  }

  it("valid policies with something changed in them", () => {
    const outcomes = { refused: 0, compiled: 0 }
    const mutation = fc.record({
      at: fc.nat(),
      n: fc.nat(),
      kind: fc.constantFrom("replace", "remove", "copy", "add"),
      json: fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.constantFrom("mini", "constructor", "__proto__", "", 0, 100, null, [], {}))
    })
    fc.assert(
      fc.property(policy, fc.array(mutation, { minLength: 1, maxLength: 2 }), (valid, mutations) => {
        let json: unknown = valid
        for (const { at, json: other, kind, n } of mutations) {
          const all = places(json, (value) => value)
          const { put, value } = all[at % all.length]!
          json = put(
            kind === "replace"
              ? other
              : kind === "copy"
                ? all[n % all.length]!.value
                : kind === "remove"
                  ? remove(value, n)
                  : Array.isArray(value)
                    ? [...value, other]
                    : { ...(value as object), [["extra", "__proto__", "_tag", "when"][n % 4]!]: other }
          )
        }
        outcomes[survives(json, 1)]++
      }),
      { numRuns: 1_000 }
    )
    assert.isAbove(Math.min(outcomes.refused, outcomes.compiled), 5)
  })

  it("nesting that no author reaches", () => {
    const strategy = (levels: number): unknown => Array.from({ length: levels }).reduce((of) => ({ _tag: "First", of: [of] }), "mini")
    const rule = (levels: number): unknown => Array.from({ length: levels }).reduce((of) => ({ "!": of }), { var: "request.stream" })
    const conditional = (levels: number) => routes({ name: "a", when: rule(levels), to: "mini" }, { name: "default", to: "mini" })
    assert.strictEqual(survives(to(strategy(120)), 1), "compiled")
    assert.strictEqual(survives(conditional(60), 1), "compiled")
    assert.deepStrictEqual(rowsOf(check(conditional(200)).findings)[0]?.slice(1, 2), ["condition"])
    for (const levels of [300, 2_000, 20_000]) {
      for (const [json, place] of [
        [to(strategy(levels)), 'routes[0] "default"'],
        [conditional(levels), 'routes[0] "a"']
      ] as const) {
        assert.deepStrictEqual(rowsOf(check(json).findings), [["error", "wrong-form", place, "nests more than 256 levels deep"]])
      }
    }
  })
})

describe("the canonical form", () => {
  const roundTrip = (json: unknown) => Result.getOrThrow(decode(json))

  /** The same JSON with its keys in another order. */
  const shuffled = (json: unknown, n: number): unknown => {
    if (Array.isArray(json)) return json.map((value) => shuffled(value, n))
    if (typeof json !== "object" || json === null) return json
    const entries = Object.entries(json).map(([key, value]) => [key, shuffled(value, n + 1)] as const)
    return Object.fromEntries(
      n % 2 === 0 ? entries.toReversed() : [...entries.slice(n % entries.length), ...entries.slice(0, n % entries.length)]
    )
  }

  /** The same strategy, with every target's name written out, or shortened. */
  const respelt = (strategy: StrategyEncoded, long: boolean): StrategyEncoded => {
    if (typeof strategy === "string") return long ? { _tag: "Send", target: strategy } : strategy
    switch (strategy._tag) {
      case "Send":
        return long || strategy.set !== undefined ? strategy : strategy.target
      case "First":
        return { ...strategy, of: strategy.of.map((part) => respelt(part, long)) as unknown as typeof strategy.of }
      case "Split":
        return { ...strategy, arms: strategy.arms.map((arm) => ({ ...arm, to: respelt(arm.to, long) })) as unknown as typeof strategy.arms }
      case "When":
        return { ...strategy, then: respelt(strategy.then, long), otherwise: respelt(strategy.otherwise, long) }
      case "Spread":
        return { ...strategy, of: strategy.of.map((part) => respelt(part, long)) as unknown as typeof strategy.of }
      case "Hedge":
        return { ...strategy, of: respelt(strategy.of, long), with: respelt(strategy.with, long) }
      case "Within":
      case "Retry":
        return { ...strategy, of: respelt(strategy.of, long) }
      default:
        return strategy
    }
  }

  it("decodes to the policy that it is of, and is its own canonical form", () => {
    fc.assert(
      fc.property(policy, (encoded) => {
        const policy = roundTrip(encoded)
        const again = roundTrip(JSON.parse(canonical(policy)))
        assert.deepStrictEqual(again, policy)
        assert.strictEqual(canonical(again), canonical(policy))
        assert.strictEqual(hash(again), hash(policy))
      }),
      { numRuns: 300 }
    )
  })

  it("does not depend on the order of keys, on shorthand, or on whether a default is written", () => {
    fc.assert(
      fc.property(policy, fc.nat({ max: 20 }), fc.boolean(), (encoded, n, long) => {
        const expected = hash(roundTrip(encoded))
        const routes = encoded.routes.map((route) => ({ ...route, to: respelt(route.to, long) }))
        const defaults = {
          version: 1,
          splitHash: "murmur3-x86-32",
          metadata: [],
          headers: [],
          aliases: {},
          budgets: {},
          classes: {},
          keys: {}
        }
        assert.strictEqual(hash(roundTrip({ ...encoded, routes })), expected)
        const providers = Object.fromEntries(Object.entries(encoded.providers).map(([name, spec]) => [name, { open: false, ...spec }]))
        assert.strictEqual(hash(roundTrip({ ...defaults, ...encoded, providers })), expected)
        assert.strictEqual(hash(roundTrip(shuffled(encoded, n))), expected)
      }),
      { numRuns: 300 }
    )
  })

  it("differs where the policy differs", () => {
    const weights = (a: number): PolicyEncoded => split([arm("a", a), arm("b", 100 - a, "big")]) as unknown as PolicyEncoded
    assert.notStrictEqual(hash(roundTrip(weights(50))), hash(roundTrip(weights(51))))
  })
})
