import { table } from "./table.ts"

const price = { input: { usd: 1 }, output: { usd: 2 } }
const budget = (per: string, usd: number, every: string) => ({ per, limit: { usd }, every })
const key = (more: object = {}) => ({ secret: { env: "A" }, class: "eng", ...more })
const base = {
  name: "test",
  providers: { one: { dialect: "openai" } },
  targets: { mini: { provider: "one", model: "m", price, maxOutputTokens: 1_000, addedTokens: 0 }, raw: { provider: "one", model: "r" } },
  classes: { eng: { may: ["mini"] } },
  keys: { alice: key() },
  routes: [{ name: "default", to: "mini" }]
}
const budgets = (of: Readonly<Record<string, object>>, more: object = {}) => ({
  ...base,
  budgets: of,
  classes: { eng: { may: ["mini"], within: Object.keys(of) } },
  ...more
})
const layer = (of: object) => ({ layers: [{ name: "acme", budgets: of }] })
const effort = (usd: number, to: unknown = "mini") => ({ ...base, routes: [{ name: "default", to, effort: { dollars: { usd } } }] })
const never = (place: string, message: string) =>
  ["warning", "budget-never-binds", place, message, "make it tighter, or leave it out"] as const

table(
  "budgets",
  {
    "behind a tighter one of a wider scope and a longer window": [
      budgets({ agent: budget("key", 10, "day"), team: budget("class", 5, "month") }),
      never(
        "budgets.agent",
        "`agent` never refuses anything: `team`, $5 a month for each class, is spent no later than its $10 a day for each key"
      )
    ],
    "behind an organisation's": [
      budgets({ agent: budget("key", 10, "day") }, layer({ cap: budget("class", 5, "day") })),
      never(
        "budgets.agent",
        "`agent` never refuses anything: `cap` of `acme`, $5 a day for each class, is spent no later than its $10 a day for each key"
      )
    ],
    "two that are alike": [
      budgets({ one: budget("key", 5, "day"), two: budget("key", 5, "day") }),
      never("budgets.two", "`two` never refuses anything: `one`, $5 a day for each key, is spent no later than its $5 a day for each key")
    ],
    "each of which may refuse first": [
      budgets({ day: budget("key", 1, "day"), month: budget("key", 20, "month"), team: budget("class", 50, "month") })
    ],
    "of other callers": [
      {
        ...budgets({ agent: budget("key", 10, "day"), team: budget("class", 5, "month") }),
        classes: { eng: { may: ["mini"], within: ["agent"] }, ops: { may: ["mini"], within: ["team"] } },
        keys: { alice: key(), bob: key({ secret: { env: "B" }, class: "ops" }) }
      }
    ],
    "of nothing": [
      budgets({ agent: budget("key", 0, "day") }),
      ["note", "budget-of-nothing", "budgets.agent.limit", "`agent` refuses every call that costs anything"]
    ],
    "that no key is in": [
      {
        ...budgets({ agent: budget("key", 10, "day") }),
        classes: { eng: { may: ["mini"] }, ops: { may: ["mini"], within: ["agent"] } }
      },
      [
        "warning",
        "budget-without-keys",
        "budgets.agent",
        "no key is of a class that spends from `agent`",
        "give a key such a class, or leave it out"
      ]
    ],
    "of a layer, over targets of which too little is known": [
      {
        ...base,
        ...layer({ cap: budget("class", 5, "day") }),
        classes: { eng: { may: ["raw"] } },
        routes: [{ name: "default", to: "raw" }]
      },
      [
        "error",
        "unpriced-target",
        "targets.raw",
        "the price of `r` is not known, and everybody who may use it does so under budget `cap` of `acme`",
        "say its `price`, in dollars for a million tokens"
      ],
      [
        "error",
        "unlimited-target",
        "targets.raw",
        "how long an answer of `raw` can be is not known, and everybody who may use it does so under budget `cap` of `acme`, so nothing could be reserved",
        "say its `maxOutputTokens`"
      ]
    ]
  },
  undefined,
  ["money"]
)

table(
  "effort in dollars",
  {
    "that is enough": [effort(1)],
    "for targets of which too little is known": [
      { ...effort(1, { _tag: "Send", target: "raw", set: { maxOutputTokens: 10 } }), classes: { eng: { may: ["raw"] } } },
      [
        "error",
        "unpriced-target",
        "targets.raw",
        "the price of `r` is not known, and the effort of route `default` is limited in dollars",
        "say its `price`, in dollars for a million tokens"
      ]
    ],
    "into which no attempt fits": [
      effort(0.000001),
      [
        "warning",
        "effort-fits-nothing",
        'routes[0] "default".effort.dollars',
        "no attempt of `default` fits into $0.000001: even an answer of one token may cost $0.000003",
        "allow more dollars, or say a smaller `maxOutputTokens`"
      ]
    ],
    "into which only shorter answers fit": [
      effort(0.001),
      [
        "warning",
        "effort-fits-nothing",
        'routes[0] "default".effort.dollars',
        "no attempt of `default` fits into $0.001 unless its caller asks for a shorter answer: as long as it may be, it may cost $0.002001",
        "allow more dollars, or say a smaller `maxOutputTokens`"
      ]
    ]
  },
  undefined,
  ["money"]
)
