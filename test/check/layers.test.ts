/** What the checker says of names that a layer and a policy share. */
import { lay } from "../../src/Layers.ts"
import { table } from "./table.ts"

const day = { per: "class", limit: { usd: 5 }, every: "day" }
const guard = (name: string) => ({ name, forbid: { targets: ["big"] } })
const team = {
  name: "team",
  providers: { openai: { dialect: "openai" } },
  targets: {
    mini: { provider: "openai", model: "gpt-4o-mini", price: { input: { usd: 1 }, output: { usd: 1 } }, maxOutputTokens: 100 },
    big: { provider: "openai", model: "gpt-4o", price: { input: { usd: 1 }, output: { usd: 1 } }, maxOutputTokens: 100 }
  },
  classes: { local: { may: ["mini"], within: ["spend"] } },
  budgets: { spend: day },
  guards: [guard("small")],
  routes: [{ name: "default", to: "mini" }]
}
const layer = { name: "acme", guards: [guard("no-big")], budgets: { all: day } }

table(
  "layers",
  {
    "an organisation's rules beside the team's": [lay(layer, team)],
    "a guard of the policy with a layer's name": [
      { ...team, guards: [guard("no-big")], layers: [layer] },
      [
        "error",
        "layer-clash",
        'guards[0] "no-big".name',
        "layer `acme` has a guard `no-big`, and what is laid over a policy cannot be replaced",
        "call the guard of the policy something else"
      ]
    ],
    "a budget of the policy with a layer's name": [
      { ...team, budgets: { spend: day, all: day }, classes: { local: { may: ["mini"], within: ["spend", "all"] } }, layers: [layer] },
      [
        "error",
        "layer-clash",
        "budgets.all",
        "layer `acme` has a budget `all`, and what is laid over a policy cannot be replaced",
        "call the budget of the policy something else"
      ]
    ],
    "two layers with one guard and one budget": [
      lay({ ...layer, name: "unit" }, lay(layer, team)),
      [
        "error",
        "layer-clash",
        'layers[1] "acme".guards[0] "no-big".name',
        "layer `unit` has a guard `no-big`, and what is laid over a policy cannot be replaced",
        "call the guard of layer `acme` something else"
      ],
      [
        "error",
        "layer-clash",
        'layers[1] "acme".budgets.all',
        "layer `unit` has a budget `all`, and what is laid over a policy cannot be replaced",
        "call the budget of layer `acme` something else"
      ]
    ],
    "one layer twice": [
      { ...team, layers: [{ name: "acme" }, { name: "acme" }] },
      ["error", "layer-clash", 'layers[1] "acme".name', "there is a layer `acme` already", "lay it over once"]
    ],
    "two guards of one name, of the policy and of a layer": [
      { ...team, guards: [guard("a"), guard("a")], layers: [{ name: "acme", guards: [guard("b"), guard("b")] }] },
      ["error", "guard-name-twice", 'layers[0] "acme".guards[1] "b".name', "there is a guard `b` already", "give each a name of its own"],
      ["error", "guard-name-twice", 'guards[1] "a".name', "there is a guard `a` already", "give each a name of its own"]
    ]
  },
  undefined,
  ["guards", "names"]
)
