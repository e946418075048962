import { type Row, table } from "./table.ts"

const base = {
  name: "test",
  providers: {
    one: { dialect: "openai", key: { env: "A" } },
    two: { dialect: "anthropic", key: { env: "B" } },
    mine: { dialect: "openai", baseUrl: "http://127.0.0.1:8081/v1" }
  },
  targets: {
    a: { provider: "one", model: "m1" },
    alike: { provider: "one", model: "m1" },
    other: { provider: "one", model: "m2" },
    twin: { provider: "one", model: "m1", deployment: "prod-2" },
    b: { provider: "two", model: "m3" },
    c: { provider: "mine", model: "m4" }
  },
  routes: [{ name: "default", to: "a" }]
}
const to = (strategy: unknown, more: object = {}) => ({ ...base, routes: [{ name: "default", to: strategy, ...more }] })
const first = (...of: ReadonlyArray<unknown>) => ({ _tag: "First", of })
const within = (duration: string, of: unknown) => ({ _tag: "Within", duration, of })
const retry = (attempts: number, of: unknown) => ({ _tag: "Retry", attempts, of })
const at = 'routes[0] "default".to'
const share = (place: string, fallback: string, primary: string, level: "note" | "warning" = "note"): Row => [
  level,
  "shared-fate",
  place,
  `\`${fallback}\` shares ${level === "note" ? "" : "model, "}provider, key and region with \`${primary}\`: one outage or quota takes both`,
  "add a fallback with another provider, key or region"
]
const starves = (place: string, message: string): Row => [
  "note",
  "deadline-starves",
  place,
  message,
  "give what comes before it a `within` of its own"
]

table(
  "what goes down together",
  {
    "one deployment under two names": [
      to(first("a", "alike")),
      [
        "warning",
        "same-deployment",
        `${at}.first[1]`,
        "`alike` is the deployment that `a` is, under another name: what keeps one from answering keeps the other",
        "name another deployment, or leave it out"
      ]
    ],
    "one deployment in a hedge": [
      to({ _tag: "Hedge", of: "a", after: "1 seconds", with: "alike" }),
      [
        "warning",
        "same-deployment",
        `${at}.hedge.with`,
        "`alike` is the deployment that `a` is, under another name: what keeps one from answering keeps the other",
        "name another deployment, or leave it out"
      ]
    ],
    "one account": [to(first("a", "other")), share(`${at}.first[1]`, "other", "a")],
    "one account and one model": [to(first("a", "twin")), share(`${at}.first[1]`, "twin", "a", "warning")],
    "one account, and another behind it": [to(first("a", "other", "b"))],
    "two providers": [to(first("a", "b"))],
    "the model that is asked for": [to(first("a", { _tag: "Asked" }))]
  },
  undefined,
  ["failover"]
)

table(
  "what is never tried",
  {
    "a deadline that one stall uses up": [
      to(within("10 seconds", first("a", "b"))),
      starves(`${at}.within.first[1]`, "within 10 seconds leaves nothing for `b` if `a` stalls, which may take 120 s")
    ],
    "an effort that one stall uses up": [
      to(first("a", "b"), { effort: { time: "60 seconds" } }),
      starves(`${at}.first[1]`, "an effort of 60 s leaves nothing for `b` if `a` stalls, which may take 120 s")
    ],
    "a deadline of its own for the first": [to(within("10 seconds", first(within("5 seconds", "a"), "b")))],
    "a limit of the route's own": [to(within("10 seconds", first("a", "b")), { timeouts: { headers: "3 seconds" } })],
    "deadlines that contradict each other": [
      to(within("10 seconds", first(within("6 seconds", "a"), within("4 seconds", "b"), "c"))),
      [
        "warning",
        "deadline-starves",
        `${at}.within.first[2]`,
        "within 10 seconds leaves nothing for `c` if `a` and `b` stall, which may take 10 s",
        "make the deadline around it longer, or those before it shorter"
      ]
    ],
    "a hedge that begins too late": [
      to(within("2 seconds", { _tag: "Hedge", of: "a", after: "2 seconds", with: "b" })),
      [
        "warning",
        "deadline-starves",
        `${at}.within.hedge.after`,
        "within 2 seconds passes before the hedge with `b` would begin",
        "begin the hedge sooner"
      ]
    ],
    "a retry whose first wait may be longer than the deadline, or nothing": [
      to(within("10 seconds", { ...retry(3, "a"), backoff: { first: "20 seconds", longest: "60 seconds" } }))
    ],
    "a retry of what uses the deadline up": [
      to(within("10 seconds", { ...retry(3, within("10 seconds", "a")), on: ["timeout"] })),
      [
        "warning",
        "deadline-starves",
        `${at}.within`,
        "within 10 seconds leaves nothing for a second try if `a` stalls, which may take 10 s",
        "make the deadline around it longer, or what is tried shorter"
      ]
    ],
    "a retry of what leaves a moment of the deadline": [
      to(within("10 seconds", { ...retry(3, within("9.9 seconds", "a")), on: ["timeout"] }))
    ],
    "a retry that does not try again after a timeout": [
      to(within("10 seconds", { ...retry(3, within("10 seconds", "a")), on: ["overloaded"] }))
    ],
    "a retry within its deadline": [to(within("30 seconds", retry(3, within("5 seconds", "a"))))],
    "one attempt for a hedge": [
      to({ _tag: "Hedge", of: "a", after: "1 seconds", with: "b" }, { effort: { attempts: 1 } }),
      [
        "warning",
        "effort-starves",
        `${at}.hedge.with`,
        "a call has one attempt left here, so that the hedge with `b` never begins",
        "allow more `attempts` in `effort`, or leave it out"
      ]
    ],
    "a failover that does not move on after a timeout": [to(within("10 seconds", { ...first("a", "b"), on: ["overloaded"] }))],
    "a refusal needs no time": [to(within("10 seconds", first("a", { _tag: "Deny", status: 503, code: "busy", message: "busy" })))],
    "more candidates than attempts": [
      to(first("a", "b", "c"), { effort: { attempts: 2 } }),
      [
        "warning",
        "effort-starves",
        `${at}.first[2]`,
        "a call has 2 attempts, and `c` is never tried unless one before it is rejected",
        "allow more `attempts` in `effort`, or fewer candidates"
      ]
    ],
    "as many": [to(first("a", "b", "c"), { effort: { attempts: 3 } })],
    "more tries than attempts": [
      to(retry(6, first("a", "b"))),
      [
        "warning",
        "retry-amplifies",
        at,
        "with its retries this route comes to 12 attempts at worst, and a call has 10",
        "retry less, or allow more `attempts` in `effort`"
      ]
    ],
    "no more": [to(retry(5, first("a", "b")))]
  },
  undefined,
  ["failover"]
)

const split = (salt: string, unit: string, ...arms: ReadonlyArray<string>) => ({
  _tag: "Split",
  by: { fact: unit },
  salt,
  arms: arms.map((target, i) => ({ name: `arm-${i}`, weight: 100 / arms.length, to: target }))
})
const two = (one: unknown, other: unknown) => ({
  ...base,
  routes: [
    { name: "some", when: { var: "request.stream" }, to: one },
    { name: "default", to: other }
  ]
})
const arms = (strategy: { readonly arms: ReadonlyArray<object> }) => ({
  ...strategy,
  arms: strategy.arms.map((arm, i) => ({ ...arm, weight: i === 0 ? 90 : 10 }))
})

table(
  "splits",
  {
    "by request": [
      to(split("s", "request.id", "a", "b")),
      [
        "note",
        "split-unit-fine",
        `${at}.by.fact`,
        "each request is assigned by itself, so that one conversation may be answered by several arms",
        "assign by `caller.key`, or by a field of `metadata` that names the conversation"
      ]
    ],
    "by caller": [to(split("s", "caller.key", "a", "b"))],
    "one salt for two experiments": [
      two(split("s", "caller.key", "a", "b"), arms(split("s", "caller.key", "a", "c"))),
      [
        "warning",
        "split-salt-reused",
        `routes[1] "default".to.salt`,
        "routes[0] \"some\".to has the same salt and unit, so that the two splits assign the same callers together, and neither's effect can be told from the other's",
        "give each split a salt of its own"
      ]
    ],
    "one experiment in two routes": [two(split("s", "caller.key", "a", "b"), split("s", "caller.key", "a", "b"))],
    "two units": [two(split("s", "caller.key", "a", "b"), arms(split("s", "request.model", "a", "c")))],
    "no difference": [
      to(split("s", "caller.key", "a", "a")),
      ["warning", "split-same", `${at}.arms`, "every arm leads to the same, so that nothing is split", "give the arms different targets"]
    ]
  },
  undefined,
  ["splits"]
)
