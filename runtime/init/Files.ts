/**
 * What `turnout init` writes: a policy, its cases and a sample of traffic, from a few answers.
 *
 * Pure: answers in, texts out. Everything that is written checks without a warning, every case holds, and the cases reach all of the policy; a test says so for every
 * provider of the registry, so that whoever begins with it begins with something that works. Names of providers and models come from the registry alone.
 */
import { type ProviderKind, type Provider, providers, startingKinds } from "../../src/Providers.ts"

/** The built-in mock server, which needs no account. */
export const mock = "mock"

export interface Answers {
  readonly name: string
  /** Kinds of the registry, or `mock` alone. */
  readonly providers: ReadonlyArray<ProviderKind | typeof mock>
  /** Dollars a month; undefined for no budget. */
  readonly budget: number | undefined
}

export interface Files {
  readonly policy: string
  readonly cases: string
  readonly traffic: string
}

/** A target of the new policy. */
interface Sketch {
  readonly name: string
  readonly provider: string
  readonly model: string
}

/** For what kind of work: cheap and quick, or good. */
interface Ladder {
  readonly targets: ReadonlyArray<Sketch>
  /** The small target of each provider, in the order in which they stand in for each other. */
  readonly fast: ReadonlyArray<string>
  /** The larger ones, where there is any. */
  readonly smart: ReadonlyArray<string>
}

const quote = (text: string): string => JSON.stringify(text)

const ladderOf = (kinds: Answers["providers"]): Ladder => {
  const targets: Array<Sketch> = []
  const [fast, smart]: [Array<string>, Array<string>] = [[], []]
  let larger = false
  for (const kind of kinds) {
    // INVARIANT: only kinds that have models to begin with can be chosen.
    const [small, large] = kind === mock ? ["mock-small", "mock-large"] : (providers[kind] as Provider).starts!
    const prefix = kinds.length === 1 ? "" : `${kind}-`
    targets.push({ name: `${prefix}small`, provider: kind, model: small })
    fast.push(`${prefix}small`)
    smart.push(large === undefined ? `${prefix}small` : `${prefix}large`)
    if (large === undefined) continue
    larger = true
    targets.push({ name: `${prefix}large`, provider: kind, model: large })
  }
  // One provider's small model stands in for its large one.
  if (kinds.length === 1 && larger) smart.push(...fast)
  return { targets, fast, smart: larger ? smart : [] }
}

/** One target by its name, or a failover over several. */
const over = (names: ReadonlyArray<string>): string => (names.length === 1 ? quote(names[0]!) : `first(${names.map(quote).join(", ")})`)

const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name))

const providerOf = (kind: ProviderKind): string =>
  `${key(kind)}: { dialect: ${quote(kind)}, key: env(${quote(`${providers[kind].env}_API_KEY`)}) }`

const mockProvider = `    // Plays a provider on this machine: \`turnout serve\` starts it. Replace it by a real one, such as
    //   ${providerOf(startingKinds[0]!)}
    ${mock}: {
      dialect: "openai",
      baseUrl: "http://127.0.0.1:8081/v1",
      mock: {
        "mock-small": { firstToken: "30 millis", perToken: "15 millis" },
        "mock-large": { firstToken: "80 millis", perToken: "25 millis" }
      }
    }`

const policyOf = ({ budget, name, providers: kinds }: Answers, { fast, smart, targets }: Ladder): string => {
  const real = kinds.filter((kind) => kind !== mock)
  const imports = [...(real.length > 0 ? ["env"] : []), "policy", ...(budget === undefined ? [] : ["usd"])]
  const words = ["asked", ...(budget === undefined ? [] : ["budget"]), ...(fast.length > 1 || smart.length > 1 ? ["first"] : []), "request"]
  const provider = (kind: Answers["providers"][number]): string => (kind === mock ? mockProvider : `    ${providerOf(kind)}`)
  const target = (sketch: Sketch): string => {
    const price = sketch.provider === mock && budget !== undefined ? `, price: { input: usd(0.5), output: usd(2) }` : ""
    const most = budget === undefined ? "" : ", maxOutputTokens: 4_096"
    return `    ${key(sketch.name)}: { provider: ${quote(sketch.provider)}, model: ${quote(sketch.model)}${price}${most} }`
  }
  const rights =
    budget === undefined
      ? []
      : [
          `  budgets: {
    // What an attempt can cost at most is reserved before it is sent, so that no number of calls at once spends more.
    spend: { per: "class", limit: usd(${budget}), every: "month" }
  },`,
          `  classes: {
    // Callers without a key. With \`keys\` every caller has one: alice: { secret: env("ALICE_KEY"), class: "team" }
    local: { may: [${targets.map((one) => quote(one.name)).join(", ")}], within: ["spend"] }
  },`
        ]
  const routes = [
    ...(budget === undefined
      ? []
      : [
          `    // Nearly spent: the small model, whatever was asked for.\n    { name: "thrift", when: budget("spend").usedRatio.gte(0.9), to: ${over(fast)} }`
        ]),
    `    // Callers ask for \`fast\`${smart.length === 0 ? "" : " or `smart`"}, and need not know which model that is${fast.length > 1 ? ". Where one provider fails, the next answers" : ""}.\n    { name: "fast", when: request.model.is("fast"), to: ${over(fast)} }`,
    ...(smart.length === 0 ? [] : [`    { name: "smart", when: request.model.is("smart"), to: ${over(smart)} }`]),
    `    // Everything else gets the target it names.\n    { name: "default", to: asked() }`
  ]
  return `import { ${imports.join(", ")} } from "turnout"

export default policy({
  name: ${quote(name)},
  providers: {
${kinds.map(provider).join(",\n")}
  },
  targets: {
${targets.map(target).join(",\n")}
  },
${[...rights, `  routes: ({ ${words.join(", ")} }) => [`].join("\n")}
${routes.join(",\n")}
  ]
})
`
}

/** A failover in which all but the last fail. */
const outage = (names: ReadonlyArray<string>): string =>
  `fails: { ${names
    .slice(0, -1)
    .map((name) => `${key(name)}: "overloaded"`)
    .join(", ")} }`

const list = (names: ReadonlyArray<string>): string => `[${names.map(quote).join(", ")}]`

const casesOf = ({ budget }: Answers, { fast, smart, targets }: Ladder): string => {
  const cases: Array<string> = []
  const add = (name: string, ...fields: ReadonlyArray<string>): void =>
    void cases.push(`    {\n      name: ${quote(name)},\n${fields.map((field) => `      ${field}`).join(",\n")}\n    }`)
  const asks = (model: string, more = ""): string => `when: { request: { model: ${quote(model)} }${more} }`
  for (const [model, names] of [
    ["fast", fast],
    ["smart", smart]
  ] as const) {
    if (names.length === 0) continue
    add(`\`${model}\` is served by ${names[0]}`, asks(model), `expect: { route: ${quote(model)}, served: ${quote(names[0]!)} }`)
    if (names.length > 1)
      add(
        `\`${model}\` survives an outage`,
        asks(model),
        outage(names),
        `expect: { tried: ${list(names)}, served: ${quote(names.at(-1)!)} }`
      )
  }
  const last = targets.at(-1)!.name
  add("a target can be asked for by its name", asks(last), `expect: { route: "default", served: ${quote(last)} }`)
  add("a model that nobody knows is refused", asks("no-such-model"), `expect: { status: 404, code: "model_not_found" }`)
  if (budget !== undefined) {
    const spent = (ratio: number): string => `, budgets: { spend: { usedRatio: ${ratio} } }`
    add("a nearly spent budget is thrifty", asks(last, spent(0.9)), `expect: { route: "thrift", served: ${quote(fast[0]!)} }`)
    if (fast.length > 1)
      add("and survives an outage too", asks("fast", spent(0.9)), outage(fast), `expect: { route: "thrift", tried: ${list(fast)} }`)
    add("a spent budget is the end of it", asks("fast", spent(1)), `expect: { status: 402, code: "budget_exhausted", tried: [] }`)
  }
  return `import { cases } from "turnout"

// What must become of calls: \`turnout test\` runs them through the policy beside this file. Nothing is sent.
export default cases({
  cases: [
${cases.join(",\n")}
  ]
})
`
}

/** A quiet minute, the same for everybody. */
const trafficOf = ({ smart, targets }: Ladder): string => {
  const models = ["fast", ...(smart.length === 0 ? [] : ["smart"]), "fast", targets[0]!.name]
  const rows = Array.from({ length: 24 }, (_, i) =>
    JSON.stringify({
      time: i * 2_500,
      model: models[i % models.length],
      inputTokens: 120 + ((i * 7_919) % 1_800),
      outputTokens: 40 + ((i * 104_729) % 400),
      ...(i % 3 === 0 ? {} : { stream: true })
    })
  )
  return [JSON.stringify({ traffic: 1, start: "2026-03-02T09:00:00Z" }), ...rows, ""].join("\n")
}

/** The texts of a new policy's files. */
export const filesOf = (answers: Answers): Files => {
  const ladder = ladderOf(answers.providers)
  return { policy: policyOf(answers, ladder), cases: casesOf(answers, ladder), traffic: trafficOf(ladder) }
}

/** The environment variables that the policy reads. */
export const variablesOf = ({ providers: kinds }: Answers): ReadonlyArray<string> =>
  kinds.flatMap((kind) => (kind === mock ? [] : [`${providers[kind].env}_API_KEY`]))
