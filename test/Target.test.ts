/** Where targets answer, what they are sent with, and what is known of them: by kind of provider, exactly, and against the addresses of recorded traffic. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { catalog } from "../src/Catalog.ts"
import { decode, type Policy } from "../src/Policy.ts"
import { noPrices, type PriceSource } from "../src/Price.ts"
import { makeModels, makeTargets, overriddenTarget, type Target, vendorOf } from "../src/Target.ts"
import { present, recorded } from "./providers/recorded.ts"

const policyOf = (provider: object, target: object = {}): Policy =>
  Result.getOrThrow(
    decode({
      name: "test",
      providers: { p: provider },
      targets: { t: { provider: "p", model: "m", ...target } },
      routes: [{ name: "only", to: "t" }]
    })
  )
const targetOf = (provider: object, target: object = {}, prices: PriceSource = noPrices): Target =>
  makeTargets(policyOf(provider, target), prices).get("t")!

/** Every address of a target, by dialect. */
const urls = (target: Target): Readonly<Record<string, string>> =>
  Object.fromEntries(
    target.dialects.map((dialect) => [dialect.name, target.baseUrl + target.place(dialect.path(target.deployment, false))])
  )

const azure = { dialect: "azure", baseUrl: "https://acme.openai.azure.com", key: { env: "AZURE_OPENAI_API_KEY" } }
const vertex = { dialect: "vertex", project: "acme-prod" }
const entra = { tenant: "acme.onmicrosoft.com", client: "0000-1111", secret: { env: "ENTRA_SECRET" } }

describe("Azure OpenAI", () => {
  it("answers at its v1 surface unless a dated version is named", () => {
    assert.deepStrictEqual(urls(targetOf(azure, { deployment: "chat eu" })), {
      responses: "https://acme.openai.azure.com/openai/v1/responses",
      "chat.completions": "https://acme.openai.azure.com/openai/v1/chat/completions"
    })
    assert.deepStrictEqual(urls(targetOf({ ...azure, apiVersion: "2024-10-21" }, { deployment: "chat eu" })), {
      responses: "https://acme.openai.azure.com/openai/responses?api-version=2024-10-21",
      "chat.completions": "https://acme.openai.azure.com/openai/deployments/chat%20eu/chat/completions?api-version=2024-10-21"
    })
  })

  it("has embeddings and paths with a query beside them", () => {
    const { place } = targetOf({ ...azure, apiVersion: "2024-10-21" }, { deployment: "d" })
    assert.strictEqual(place("/embeddings"), "/openai/deployments/d/embeddings?api-version=2024-10-21")
    assert.strictEqual(place("/x?y=1"), "/openai/deployments/d/x?y=1&api-version=2024-10-21")
    assert.strictEqual(place("/responses/input_tokens"), "/openai/responses/input_tokens?api-version=2024-10-21")
    assert.strictEqual(targetOf(azure, { deployment: "d" }).place("/embeddings"), "/openai/v1/embeddings")
  })

  it("is found however much of the way its author has copied", () => {
    const spellings = ["", "/", "/openai", "/openai/", "/openai/v1", "/openai/v1/"]
    const hosts = ["acme.openai.azure.com", "acme.services.ai.azure.com", "acme.cognitiveservices.azure.com", "acme.openai.azure.us"]
    for (const host of hosts)
      for (const spelling of spellings) {
        const target = targetOf({ ...azure, baseUrl: `https://${host}${spelling}` })
        assert.strictEqual(target.baseUrl, `https://${host}`, spelling)
        assert.isTrue(target.usual, host)
        assert.strictEqual(target.vendor, "cloud", host)
      }
    const project = targetOf({ ...azure, baseUrl: "https://acme.services.ai.azure.com/api/projects/one/openai/v1" })
    assert.strictEqual(urls(project)["responses"], "https://acme.services.ai.azure.com/api/projects/one/openai/v1/responses")
  })

  it("is no relay of one's own, nor a host that only ends like one", () => {
    for (const host of ["relay.example.com", "openai.azure.com.example.com", "evil-openai.azure.com.co"]) {
      const target = targetOf({ ...azure, baseUrl: `https://${host}` })
      assert.deepStrictEqual([target.usual, target.vendor, target.capabilities], [false, "own", {}], host)
    }
  })

  it("takes a key in a header of its own, and a token as everybody does", () => {
    assert.deepStrictEqual(targetOf(azure).credential("s"), { "api-key": "s" })
    assert.isUndefined(targetOf(azure).auth)
    const { key: _, ...keyless } = azure
    const target = targetOf({ ...keyless, auth: { entra } })
    assert.deepStrictEqual(target.credential("s"), { authorization: "Bearer s" })
    assert.deepStrictEqual(target.auth, {
      entra: { ...entra, scope: "https://cognitiveservices.azure.com/.default", authority: "https://login.microsoftonline.com" }
    })
    assert.isUndefined(target.accounts[0].key)
  })

  it("knows a deployment by the model that its author says it is, and nothing of one that only a caller names", () => {
    const known = targetOf(azure, { model: "o3", deployment: "thinker" }, catalog)
    assert.deepStrictEqual(known.capabilities, targetOf({ dialect: "openai" }, { model: "o3" }).capabilities)
    assert.isDefined(known.capabilities.contextWindow)
    assert.strictEqual(known.price?.input, 2_000_000)
    const policy = policyOf({ ...azure, open: true }, { model: "o3" })
    const asked = makeModels(policy, makeTargets(policy, catalog), [], catalog).resolve("p/o1")
    assert.strictEqual(asked._tag, "Found")
    if (asked._tag !== "Found") return
    assert.deepStrictEqual([asked.target.declared, asked.target.price, asked.target.capabilities], [false, undefined, {}])
  })

  it("has list prices in the public cloud alone", () => {
    const price = (baseUrl: string) => targetOf({ ...azure, baseUrl }, { model: "o3" }, catalog).price
    assert.isDefined(price("https://acme.cognitiveservices.azure.com/openai"))
    assert.isUndefined(price("https://acme.openai.azure.us"))
    assert.isUndefined(price("https://relay.example.com"))
  })
})

describe("Vertex AI", () => {
  const at = (region: string) => urls(targetOf({ ...vertex, region }, { model: "gemini-3.8-flash" }))["generateContent"]
  const path = (region: string) => `/v1/projects/acme-prod/locations/${region}/publishers/google/models/gemini-3.8-flash:generateContent`

  it("answers at a host for each region, one for the world, and one for each union of regions", () => {
    assert.strictEqual(at("europe-west4"), `https://europe-west4-aiplatform.googleapis.com${path("europe-west4")}`)
    assert.strictEqual(at("us-central1"), `https://us-central1-aiplatform.googleapis.com${path("us-central1")}`)
    assert.strictEqual(at("global"), `https://aiplatform.googleapis.com${path("global")}`)
    assert.strictEqual(at("eu"), `https://aiplatform.eu.rep.googleapis.com${path("eu")}`)
    assert.strictEqual(at("us"), `https://aiplatform.us.rep.googleapis.com${path("us")}`)
  })

  it("streams, and follows a `send` to another region", () => {
    const policy = policyOf({ ...vertex, region: "global" })
    const { baseUrl, dialects, place } = overriddenTarget(policy, "t", { region: "eu" }, noPrices)
    assert.strictEqual(
      baseUrl + place(dialects[0].path("m", true)),
      "https://aiplatform.eu.rep.googleapis.com/v1/projects/acme-prod/locations/eu/publishers/google/models/m:streamGenerateContent?alt=sse"
    )
  })

  it("takes the machine's own credentials unless there is a key or others", () => {
    const own = targetOf({ ...vertex, region: "global" })
    assert.deepStrictEqual([own.auth, own.credential("s")], [{ google: {} }, { authorization: "Bearer s" }])
    const account = { google: { credentials: { env: "ACCOUNT" } } }
    assert.deepStrictEqual(targetOf({ ...vertex, region: "global", auth: account }).auth, account)
    const keyed = targetOf({ ...vertex, region: "global", key: { env: "K" } })
    assert.deepStrictEqual([keyed.auth, keyed.credential("s")], [undefined, { "x-goog-api-key": "s" }])
  })

  it("has list prices at its global endpoint alone", () => {
    const price = (region: string) => targetOf({ ...vertex, region }, { model: "gemini-3.8-flash" }, catalog).price
    assert.deepInclude(price("global"), { input: 1_500_000, output: 7_500_000 })
    for (const region of ["eu", "us", "us-central1"]) assert.isUndefined(price(region), region)
    const policy = policyOf({ ...vertex, region: "global" }, { model: "gemini-3.8-flash" })
    assert.isUndefined(overriddenTarget(policy, "t", { region: "eu" }, catalog).price)
    assert.isDefined(overriddenTarget(policy, "t", {}, catalog).price)
  })

  it("is itself at an address that its author spells out, and not behind a relay", () => {
    const spelt = {
      ...vertex,
      baseUrl: "https://{region}-aiplatform.googleapis.com/v1beta1/projects/{project}/locations/{region}/publishers/google"
    }
    const target = targetOf({ ...spelt, region: "global" }, { model: "gemini-2.5-flash" })
    assert.strictEqual(target.baseUrl, "https://aiplatform.googleapis.com/v1beta1/projects/acme-prod/locations/global/publishers/google")
    assert.deepStrictEqual([target.usual, target.vendor, target.capabilities.contextWindow], [true, "cloud", 1_048_576])
    const relay = targetOf({ ...vertex, baseUrl: "https://relay.example.com/{project}/{region}", region: "global" })
    assert.deepStrictEqual([relay.usual, relay.vendor, relay.baseUrl], [false, "own", "https://relay.example.com/acme-prod/global"])
  })
})

describe("Gemini and the others", () => {
  it("answer at their own addresses with their own headers", () => {
    const gemini = targetOf({ dialect: "gemini", key: { env: "GEMINI_API_KEY" } }, { model: "gemini-3.8-flash" }, catalog)
    assert.strictEqual(
      urls(gemini)["generateContent"],
      "https://generativelanguage.googleapis.com/v1beta/models/gemini-3.8-flash:generateContent"
    )
    assert.deepStrictEqual(gemini.credential("s"), { "x-goog-api-key": "s" })
    assert.strictEqual(gemini.price?.output, 7_500_000)
    assert.deepStrictEqual(urls(targetOf({ dialect: "openai" })), {
      responses: "https://api.openai.com/v1/responses",
      "chat.completions": "https://api.openai.com/v1/chat/completions"
    })
    assert.deepStrictEqual(urls(targetOf({ dialect: "ollama" })), {
      "chat.completions": "http://localhost:11434/v1/chat/completions",
      responses: "http://localhost:11434/v1/responses"
    })
  })

  it("are on the policy's own machine, and cost what its author says", () => {
    for (const dialect of ["ollama", "vllm", "lmstudio"] as const) {
      const target = targetOf({ dialect }, { model: "gpt-oss:20b" }, catalog)
      assert.deepStrictEqual([target.vendor, target.price, target.accounts[0].key], ["own", undefined, undefined], dialect)
      assert.strictEqual(vendorOf({ dialect, open: false, baseUrl: "http://10.0.0.7:11434/v1" }), "own")
    }
  })

  it("are known by where they answer, whatever dialect is spoken there", () => {
    const at = (baseUrl: string) => vendorOf({ dialect: "openai", open: false, baseUrl })
    assert.strictEqual(at("https://acme.openai.azure.com/openai/v1"), "cloud")
    assert.strictEqual(at("https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/endpoints/openapi"), "cloud")
    assert.strictEqual(at("https://{region}-aiplatform.googleapis.com/v1"), "cloud")
    assert.strictEqual(at("https://generativelanguage.googleapis.com/v1beta/openai"), "maker")
    assert.strictEqual(at("https://storage.googleapis.com/v1"), "own")
  })
})

describe("what a provider is spoken to in", () => {
  const spoken = (provider: object) => targetOf(provider).dialects.map(({ name }) => name)

  it("is what its kind speaks at home, and the older API elsewhere", () => {
    assert.deepStrictEqual(spoken({ dialect: "openai" }), ["responses", "chat.completions"])
    assert.deepStrictEqual(spoken({ dialect: "openai", baseUrl: "https://API.openai.com/v1/" }), ["responses", "chat.completions"])
    assert.deepStrictEqual(spoken({ dialect: "openai", baseUrl: "https://relay.example.com/v1" }), ["chat.completions"])
    assert.deepStrictEqual(spoken({ dialect: "groq" }), ["chat.completions", "responses"])
    assert.deepStrictEqual(spoken({ dialect: "ollama", baseUrl: "http://10.0.0.7:11434/v1" }), ["chat.completions", "responses"])
    assert.deepStrictEqual(spoken({ ...azure, baseUrl: "https://relay.example.com" }), ["responses", "chat.completions"])
  })

  it("is what the policy says, in its order", () => {
    const relay = { dialect: "openai", baseUrl: "https://relay.example.com/v1" }
    assert.deepStrictEqual(spoken({ ...relay, speaks: ["chat.completions", "responses"] }), ["chat.completions", "responses"])
    assert.deepStrictEqual(spoken({ ...relay, speaks: ["responses"] }), ["responses"])
    assert.deepStrictEqual(spoken({ dialect: "openai", speaks: ["chat.completions"] }), ["chat.completions"])
  })
})

describe("health", () => {
  it("is kept apart for every account, and together for two names of one deployment", () => {
    const { key: _, ...keyless } = azure
    const providers = [
      azure,
      { ...azure, key: { env: "OTHER" } },
      { ...azure, apiVersion: "2024-10-21" },
      { ...keyless, auth: { entra } },
      { ...keyless, auth: { entra: { ...entra, client: "2222" } } },
      { ...keyless, auth: { entra: { ...entra, tenant: "other" } } },
      { ...vertex, region: "global" },
      { ...vertex, region: "eu" },
      { ...vertex, region: "global", project: "other" },
      { ...vertex, region: "global", auth: { google: { credentials: { env: "ACCOUNT" } } } }
    ]
    const identities = providers.map((provider) => targetOf(provider).identity)
    assert.strictEqual(new Set(identities).size, identities.length)
    assert.strictEqual(targetOf({ ...azure, baseUrl: `${azure.baseUrl}/openai/v1/` }).identity, identities[0])
    assert.strictEqual(targetOf({ ...vertex, region: "global", auth: { google: {} } }).identity, identities[6])
  })

  it("is kept apart for every key of a provider, as if it stood alone, whatever its place and its weight", () => {
    const one = { dialect: "openai", key: { env: "A" } }
    const several = (...keys: ReadonlyArray<object>) => targetOf({ dialect: "openai", keys })
    const [a, b] = [{ env: "A" }, { env: "B" }]
    const both = several({ key: a, weight: 3 }, b)
    assert.deepStrictEqual(
      both.accounts.map(({ key, name, weight }) => [name, key, weight]),
      [
        ["A", a, 3],
        ["B", b, 1]
      ]
    )
    assert.strictEqual(both.accounts[0].identity, targetOf(one).accounts[0].identity)
    assert.strictEqual(both.accounts[0].credential, targetOf(one).accounts[0].credential)
    assert.strictEqual(both.accounts[0].identity, targetOf(one).identity)
    assert.notStrictEqual(both.accounts[0].identity, both.accounts[1]!.identity)
    assert.notStrictEqual(both.accounts[0].credential, both.accounts[1]!.credential)
    assert.strictEqual(several(b, { key: a, weight: 9 }).identity, both.identity)
    assert.notStrictEqual(several(b, { env: "C" }).identity, both.identity)
    assert.strictEqual(several(a).identity, targetOf(one).identity)
  })

  it("of a credential is the same for every deployment and region of its provider, and that of a deployment is not", () => {
    const keyed = { dialect: "vertex", project: "acme-prod", keys: [{ env: "A" }, { env: "B" }] }
    const [eu, us, other] = [
      targetOf(keyed, { region: "eu" }),
      targetOf(keyed, { region: "us" }),
      targetOf(keyed, { region: "eu", model: "n" })
    ]
    for (const i of [0, 1] as const) {
      const all = [eu, us, other].map(({ accounts }) => accounts[i]!)
      assert.strictEqual(new Set(all.map(({ credential }) => credential)).size, 1)
      assert.strictEqual(new Set(all.map(({ identity }) => identity)).size, 3)
    }
    assert.notStrictEqual(targetOf({ ...keyed, project: "other" }, { region: "eu" }).accounts[0].credential, eu.accounts[0].credential)
    assert.isUndefined(eu.auth, "keys are sent instead of tokens, where these are usual")
  })

  it("of one who needs no key is an account too", () => {
    const [account, ...more] = targetOf({ dialect: "ollama" }).accounts
    assert.deepInclude(account, { name: undefined, key: undefined, weight: 1 })
    assert.lengthOf(more, 0)
  })
})

const files = [
  "azure-openai-chat",
  "azure-openai-responses",
  "azure-embeddings",
  "vertex-generate-content",
  "vertex-count-tokens",
  "gemini-generate-content"
]
describe.skipIf(!present(...files))("recorded addresses", () => {
  const all = files.flatMap((file) =>
    recorded(file).flatMap(({ request }) => (request === null ? [] : [(request as unknown as { readonly url: string }).url]))
  )

  it("of Azure are reached by a policy that names the resource, the deployment and the version", () => {
    const shapes: Array<string> = []
    const others = new Set<string>()
    for (const url of all.filter((each) => each.includes(".azure.com"))) {
      // A host's name has no case.
      const { href, origin, pathname, searchParams } = new URL(url)
      const dated = /^\/openai\/deployments\/([^/]+)(\/.+)$/.exec(pathname)
      const undated = /^\/openai\/v1(\/.+)$/.exec(pathname)
      if (dated === null && undated === null) {
        others.add(pathname.replace(/deployments\/[^/]+/, "deployments/d"))
        continue
      }
      const apiVersion = searchParams.get("api-version")
      const target = targetOf(
        { ...azure, baseUrl: origin, ...(apiVersion === null ? {} : { apiVersion }) },
        { deployment: dated?.[1] ?? "in-the-body" }
      )
      assert.strictEqual(target.baseUrl + target.place((dated?.[2] ?? undated?.[1])!), href)
      shapes.push(dated === null ? "v1" : "dated")
    }
    const count = (shape: string) => shapes.filter((each) => each === shape).length
    assert.deepStrictEqual([count("v1"), count("dated")], [21, 13])
    // The model inference API of before, and a client's own mistake.
    assert.deepStrictEqual([...others].toSorted(), ["/chat/completions", "/models/chat/completions"])
  })

  it("of Vertex AI are ours but for the version and for hosts that a region need not name", () => {
    let compared = 0
    for (const url of all.filter((each) => each.includes("aiplatform.googleapis.com"))) {
      const [, host, project, region, rest] =
        /^https:\/\/([^/]+)\/v1(?:beta1)?\/projects\/([^/]+)\/locations\/([^/]+)\/publishers\/google(\/.+)$/.exec(url)!
      const target = targetOf({ dialect: "vertex", project, region })
      const ours = target.baseUrl + target.place(rest!)
      const theirs = url.replace("/v1beta1/", "/v1/")
      if (host === "aiplatform.googleapis.com" && region !== "global")
        assert.strictEqual(ours, theirs.replace(host, `${region}-aiplatform.googleapis.com`))
      else assert.strictEqual(ours, theirs)
      compared++
    }
    assert.strictEqual(compared, 68)
  })

  it("of Gemini are ours", () => {
    const recordings = all.filter((each) => each.includes("generativelanguage"))
    const { baseUrl, dialects, place } = targetOf({ dialect: "gemini" })
    for (const url of recordings) {
      const [, model, method] = /\/models\/([^:]+):(\w+)/.exec(url)!
      assert.strictEqual(baseUrl + place(dialects[0].path(decodeURIComponent(model!), method!.startsWith("stream"))), url)
    }
    assert.strictEqual(recordings.length, 242)
  })
})
