/**
 * Who gives tokens, over real sockets: Entra ID played on loopback, and Google's own library against a server of tokens and a metadata server, both played too. What is
 * kept, and for how long, is in `../Tokens.test.ts`.
 */
import { createVerify, generateKeyPairSync } from "node:crypto"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Result, Scope } from "effect"
import { GoogleAuth, JWT, type JWTOptions } from "google-auth-library"
import type { Failure } from "../../src/Failure.ts"
import type { Auth } from "../../src/Policy.ts"
import { Tokens, type TokenSource } from "../../src/Tokens.ts"
import * as Live from "../../runtime/Tokens.ts"
import { afterwards, until } from "../http/support.ts"

interface Asked {
  readonly method: string
  readonly path: string
  readonly form: Readonly<Record<string, string>>
  readonly text: string
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
}

type Answer =
  | { readonly status?: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
  | "silence"
  | "reset"

/** A server that answers the n-th request with the n-th answer, and from then on with the last. */
const serving = async (...answers: ReadonlyArray<Answer | ((asked: Asked) => Answer)>) => {
  const asked: Array<Asked> = []
  const server = createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("end", () => {
      const text = Buffer.concat(parts).toString()
      const { headers, method = "", url: path = "" } = request
      const one: Asked = { method, path, text, headers, form: Object.fromEntries(new URLSearchParams(text)) }
      asked.push(one)
      const said = answers[asked.length - 1] ?? answers.at(-1)!
      const answer = typeof said === "function" ? said(one) : said
      if (answer === "silence") return
      if (answer === "reset") return void request.socket.resetAndDestroy()
      response.writeHead(answer.status ?? 200, { "content-type": "application/json", ...answer.headers })
      response.end(typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body))
    })
  })
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  const stop = () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => void server.close(() => resolve()))
  }
  afterwards(stop)
  return { asked, stop, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

const secret = "p@ss word/+&=?"
const secrets: Record<string, string> = { ENTRA_SECRET: secret }

/** Where tokens come from, with the variables of `environment`. */
const sourceOf = async (
  environment: Readonly<Record<string, string>> = secrets,
  google?: () => Promise<Live.GoogleLibrary>
): Promise<TokenSource> => {
  const scope = Scope.makeUnsafe()
  afterwards(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const settings = { secretOf: ({ env }: { readonly env: string }) => environment[env], ...(google === undefined ? {} : { google }) }
  return Context.get(await Effect.runPromise(Layer.buildWithScope(Live.layer(settings), scope)), Tokens)
}

const get = async (source: TokenSource, auth: Auth): Promise<Result.Result<string, Failure>> => {
  const token = source.of(auth)
  return typeof token === "string" ? Result.succeed(token) : Effect.runPromise(Effect.result(token))
}
const got = async (source: TokenSource, auth: Auth): Promise<string> =>
  Result.getOrThrowWith(await get(source, auth), ({ message }) => new Error(message))
const failed = async (source: TokenSource, auth: Auth): Promise<Failure> => {
  const result = await get(source, auth)
  if (Result.isSuccess(result)) throw new Error(`it came: ${result.success}`)
  return result.failure
}

const entraAt = (authority: string, more: Partial<NonNullable<Auth["entra"]>> = {}): Auth => ({
  entra: {
    tenant: "acme.onmicrosoft.com",
    client: "11111111-2222",
    secret: { env: "ENTRA_SECRET" },
    scope: "https://cognitiveservices.azure.com/.default",
    authority,
    ...more
  }
})
const granted = (token: string, seconds: unknown = 3_599): Answer => ({
  body: { token_type: "Bearer", expires_in: seconds, ext_expires_in: seconds, access_token: token }
})

describe("Entra ID", () => {
  it("is asked as an application with a secret asks, once", async () => {
    const { asked, origin } = await serving(granted("eyJ.one"))
    const source = await sourceOf()
    const auth = entraAt(`${origin}/`)
    const all = await Promise.all(Array.from({ length: 20 }, () => got(source, auth)))
    assert.deepStrictEqual(new Set(all), new Set(["eyJ.one"]))
    assert.strictEqual(source.of(auth), "eyJ.one")
    assert.lengthOf(asked, 1)
    const [{ form, headers, method, path }] = asked as [Asked]
    assert.deepStrictEqual([method, path], ["POST", "/acme.onmicrosoft.com/oauth2/v2.0/token"])
    assert.match(String(headers["content-type"]), /^application\/x-www-form-urlencoded/)
    assert.deepStrictEqual(form, {
      grant_type: "client_credentials",
      client_id: "11111111-2222",
      client_secret: secret,
      scope: "https://cognitiveservices.azure.com/.default"
    })
  })

  it("is asked anew when a token is about to end, and serves the old one until then", { timeout: 15_000 }, async () => {
    const { asked, origin } = await serving(granted("one", 2), granted("two", 3_600))
    const source = await sourceOf()
    const auth = entraAt(origin)
    assert.strictEqual(await got(source, auth), "one")
    await until(() => source.of(auth) === "two", "the next token")
    assert.lengthOf(asked, 2)
  })

  it("is asked for each application, tenant and scope by itself", async () => {
    let n = 0
    const { asked, origin } = await serving(() => granted(`t${++n}`))
    const source = await sourceOf({ ...secrets, OTHER: "x" })
    const auths = [
      entraAt(origin),
      entraAt(origin, { client: "other" }),
      entraAt(origin, { tenant: "other" }),
      entraAt(origin, { scope: "https://cognitiveservices.azure.us/.default" }),
      entraAt(origin, { secret: { env: "OTHER" } })
    ]
    const tokens = await Promise.all(auths.map((auth) => got(source, auth)))
    assert.strictEqual(new Set(tokens).size, 5)
    assert.lengthOf(asked, 5)
    assert.include(
      asked.map(({ path }) => path),
      "/other/oauth2/v2.0/token"
    )
  })

  const refusals: ReadonlyArray<readonly [what: string, answer: Answer, kind: Failure["class"], message: string]> = [
    [
      "a wrong secret",
      {
        status: 401,
        body: { error: "invalid_client", error_description: `AADSTS7000215: Invalid client secret provided: ${secret}\r\nTrace ID: 1` }
      },
      "auth",
      "Entra ID (application `11111111-2222`) gives no token (401): AADSTS7000215: Invalid client secret provided: [redacted] Trace ID: 1"
    ],
    ["an unknown scope", { status: 400, body: { error: "invalid_scope" } }, "auth", "gives no token (400): invalid_scope"],
    ["too many requests", { status: 429, body: {} }, "rate-limited", "gives no token (429)"],
    ["a fault of its own", { status: 500, body: "<html>" }, "server-error", "gives no token (500)"],
    ["no token", { body: { expires_in: 3_600 } }, "malformed", "answered without a token"],
    ["no end of it", { body: { access_token: "t" } }, "malformed", "answered without a token"],
    ["a token that no header can carry", granted("a\r\nb"), "malformed", "answered without a token"],
    ["something else", { body: "[]" }, "malformed", "answered without a token"],
    [
      "more than anybody needs",
      { body: JSON.stringify({ access_token: "x".repeat(100_000), expires_in: 1 }) },
      "connection",
      "cannot be reached"
    ],
    ["nothing", "reset", "connection", "cannot be reached"]
  ]
  it.each(refusals)("tells of %s", async (_, answer, kind, message) => {
    const { origin } = await serving(answer)
    const failure = await failed(await sourceOf(), entraAt(origin))
    assert.strictEqual(failure.class, kind)
    assert.include(failure.message, message)
    assert.notInclude(JSON.stringify(failure), secret)
    assert.notInclude(failure.message, encodeURIComponent(secret))
  })

  it("keeps the secret where it was sent: a redirect is not followed", async () => {
    const elsewhere = await serving(granted("stolen"))
    for (const status of [301, 302, 307, 308]) {
      const { origin } = await serving({ status, body: {}, headers: { location: `${elsewhere.origin}/token` } })
      assert.strictEqual((await failed(await sourceOf(), entraAt(origin))).class, "connection")
    }
    assert.lengthOf(elsewhere.asked, 0)
  })

  it("is not waited for when it is not there", async () => {
    const { origin, stop } = await serving(granted("one"))
    await stop()
    const failure = await failed(await sourceOf(), entraAt(origin))
    assert.strictEqual(failure.class, "connection")
    assert.include(failure.message, "ECONNREFUSED")
  })

  it("is given up after ten seconds, and its connection with it", { timeout: 20_000 }, async () => {
    const { asked, origin } = await serving("silence")
    const source = await sourceOf()
    const began = performance.now()
    const failure = await failed(source, entraAt(origin))
    assert.deepStrictEqual(failure, { class: "timeout", message: "no token within 10 s" })
    assert.isAtLeast(performance.now() - began, 9_500)
    assert.isBelow(performance.now() - began, 13_000)
    assert.lengthOf(asked, 1)
  })

  it("is not asked without a secret", async () => {
    const { asked, origin } = await serving(granted("one"))
    for (const environment of [{}, { ENTRA_SECRET: "" }]) {
      const failure = await failed(await sourceOf(environment), entraAt(origin))
      assert.strictEqual(failure.class, "auth")
      assert.include(failure.message, "`ENTRA_SECRET` is not set")
    }
    assert.lengthOf(asked, 0)
  })
})

describe("Google", () => {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", {
    modulusLength: 2_048,
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" }
  })
  const serviceAccount = {
    type: "service_account",
    project_id: "acme",
    private_key_id: "k1",
    private_key: privateKey,
    client_email: "gateway@acme.iam.gserviceaccount.com",
    token_uri: "https://oauth2.googleapis.com/token"
  }
  const account: Auth = { google: { credentials: { env: "ACCOUNT" } } }

  /** The library itself, whose requests for tokens of service accounts go to a server of ours: it knows one address for them. */
  const redirected = (origin: string) => async (): Promise<Live.GoogleLibrary> => ({
    GoogleAuth,
    JWT: class extends JWT {
      constructor(options: JWTOptions) {
        const fetchImplementation = (input: string | URL | Request, init?: RequestInit) => {
          const { pathname } = new URL(input instanceof Request ? input.url : input)
          return fetch(`${origin}${pathname}`, init)
        }
        super({ ...options, transporterOptions: { fetchImplementation } })
      }
    }
  })

  it("is asked with a statement that the service account has signed", async () => {
    const { asked, origin } = await serving(granted("ya29.one"))
    const source = await sourceOf({ ACCOUNT: JSON.stringify(serviceAccount) }, redirected(origin))
    const all = await Promise.all(Array.from({ length: 10 }, () => got(source, account)))
    assert.deepStrictEqual(new Set(all), new Set(["ya29.one"]))
    assert.strictEqual(source.of(account), "ya29.one")
    assert.lengthOf(asked, 1)
    const { assertion = "", grant_type } = asked[0]!.form
    assert.strictEqual(grant_type, "urn:ietf:params:oauth:grant-type:jwt-bearer")
    const [head = "", claims = "", signature = ""] = assertion.split(".")
    assert.isTrue(createVerify("RSA-SHA256").update(`${head}.${claims}`).verify(publicKey, signature, "base64url"))
    const said = JSON.parse(Buffer.from(claims, "base64url").toString())
    assert.deepInclude(said, { iss: serviceAccount.client_email, scope: "https://www.googleapis.com/auth/cloud-platform" })
    assert.isAtMost(said.exp - said.iat, 3_600)
  })

  it("is asked anew in the background", { timeout: 15_000 }, async () => {
    const { asked, origin } = await serving(granted("one", 2), granted("two", 3_600))
    const source = await sourceOf({ ACCOUNT: JSON.stringify(serviceAccount) }, redirected(origin))
    assert.strictEqual(await got(source, account), "one")
    await until(() => source.of(account) === "two", "the next token")
    assert.lengthOf(asked, 2)
  })

  it("tells why it refuses an account, and nothing of its key", async () => {
    const { origin } = await serving({ status: 400, body: { error: "invalid_grant", error_description: "Invalid JWT Signature." } })
    const failure = await failed(await sourceOf({ ACCOUNT: JSON.stringify(serviceAccount) }, redirected(origin)), account)
    assert.strictEqual(failure.class, "auth")
    assert.strictEqual(failure.message, "Google (`ACCOUNT`) gives no token (400): invalid_grant: Invalid JWT Signature.")
  })

  it.each([
    ["nothing", {}, "`ACCOUNT` is not set"],
    ["no JSON", { ACCOUNT: "/etc/account.json" }, "`ACCOUNT` does not hold the JSON of a service account"],
    ["JSON of something else", { ACCOUNT: "[1]" }, "`ACCOUNT` does not hold the JSON of a service account"],
    ["an account of another type", { ACCOUNT: '{"type":"external_account","token_url":"http://127.0.0.1:1/"}' }, "of a service account"],
    ["half of an account", { ACCOUNT: JSON.stringify({ ...serviceAccount, private_key: undefined }) }, "of a service account"],
    [
      "a key that is none",
      { ACCOUNT: JSON.stringify({ ...serviceAccount, private_key: `-----BEGIN PRIVATE KEY-----${"q".repeat(99)}` }) },
      "gives no token"
    ]
  ] as const)("tells of a variable that holds %s", async (_, environment, message) => {
    const failure = await failed(await sourceOf(environment), account)
    assert.strictEqual(failure.class, "auth")
    assert.include(failure.message, message)
    assert.notInclude(failure.message, "qqq")
    assert.notInclude(failure.message, "/etc/account.json")
  })

  /** A machine with nothing of Google's on it but these variables. */
  const machine = (variables: Readonly<Record<string, string>>): void => {
    const empty = mkdtempSync(join(tmpdir(), "turnout-tokens-"))
    const all = { GOOGLE_APPLICATION_CREDENTIALS: undefined, HOME: empty, CLOUDSDK_CONFIG: empty, ...variables }
    for (const [name, value] of Object.entries(all)) {
      const before = process.env[name]
      afterwards(() => void (before === undefined ? delete process.env[name] : (process.env[name] = before)))
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    afterwards(() => rmSync(empty, { recursive: true }))
  }

  it("takes a workload's identity from the machine: a token of somebody else's for one of Google's", async () => {
    const folder = mkdtempSync(join(tmpdir(), "turnout-tokens-"))
    afterwards(() => rmSync(folder, { recursive: true }))
    const { asked, origin } = await serving({
      body: {
        access_token: "federated",
        expires_in: 3_600,
        token_type: "Bearer",
        issued_token_type: "urn:ietf:params:oauth:token-type:access_token"
      }
    })
    const federation = {
      type: "external_account",
      audience: "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: `${origin}/v1/token`,
      credential_source: { file: join(folder, "subject") }
    }
    writeFileSync(join(folder, "subject"), "subject-token")
    writeFileSync(join(folder, "federation.json"), JSON.stringify(federation))
    machine({ GOOGLE_APPLICATION_CREDENTIALS: join(folder, "federation.json") })
    const source = await sourceOf({})
    assert.strictEqual(await got(source, { google: {} }), "federated")
    assert.include(asked[0]!.text, "subject-token")
  })

  it("takes what the metadata server gives to the machine itself", { timeout: 20_000 }, async () => {
    const { asked, origin } = await serving(({ path }) => ({
      headers: { "metadata-flavor": "Google" },
      body: path.includes("/token")
        ? { access_token: "of-the-machine", expires_in: 3_600, token_type: "Bearer" }
        : path.includes("universe")
          ? "googleapis.com"
          : "x"
    }))
    machine({ GCE_METADATA_HOST: new URL(origin).host, METADATA_SERVER_DETECTION: "assume-present" })
    const source = await sourceOf({})
    assert.strictEqual(await got(source, { google: {} }), "of-the-machine")
    const request = asked.find(({ path }) => path.includes("/service-accounts/default/token"))
    assert.strictEqual(request?.headers["metadata-flavor"], "Google")
  })

  it("is believed for five minutes where it does not say how long", async () => {
    let asks = 0
    const library: Live.GoogleLibrary = {
      JWT,
      GoogleAuth: class {
        getClient = async () => ({ credentials: {}, getAccessToken: async () => ({ token: `t${++asks}` }) })
      }
    }
    const source = await sourceOf({}, async () => library)
    assert.strictEqual(await got(source, { google: {} }), "t1")
    assert.strictEqual(source.of({ google: {} }), "t1")
    assert.strictEqual(asks, 1)
  })

  it("is a failure where the library finds nothing", async () => {
    const library: Live.GoogleLibrary = {
      JWT,
      GoogleAuth: class {
        getClient = () => Promise.reject(new Error("Could not load the default credentials."))
      }
    }
    const failure = await failed(await sourceOf({}, async () => library), { google: {} })
    assert.deepStrictEqual(failure, {
      class: "auth",
      message: "Google (application default credentials) gives no token: Could not load the default credentials."
    })
  })
})
