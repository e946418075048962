/**
 * Who gives tokens: Microsoft Entra ID to an application's secret, and Google to a service account or to the machine itself.
 *
 * Entra ID takes one small request (learn.microsoft.com, "Microsoft identity platform and the OAuth 2.0 client credentials flow", "First case: Access token request with a
 * shared secret"). Google's credentials come in half a dozen kinds (service account, workload identity, metadata server, `gcloud`'s own, impersonation), which its own
 * library knows; a library that only signs (`jose`) would have done for the first of them. It is loaded where a policy first needs it, and asked for a new client each time: what
 * it would keep is kept by `Tokens.ts`, and a file of credentials that has been replaced is read again. A variable holds a service account; the other kinds are the machine's.
 *
 * Whatever these say of a failure is shown to people, so that the secret is taken out of it first.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Agent, fetch } from "undici"
import type { Failure, FailureClass } from "../src/Failure.ts"
import type { Auth, Secret } from "../src/Policy.ts"
import * as Tokens from "../src/Tokens.ts"

type Entra = NonNullable<Auth["entra"]>
type Google = NonNullable<Auth["google"]>

/** One that gets tokens. */
interface GoogleClient {
  readonly getAccessToken: () => Promise<{ readonly token?: string | null }>
  /** Of the token that it has got last. */
  readonly credentials: { readonly expiry_date?: number | null }
}

/** What is needed of `google-auth-library`. */
export interface GoogleLibrary {
  readonly GoogleAuth: new (options: { readonly scopes: string; readonly projectId: string }) => {
    readonly getClient: () => Promise<GoogleClient>
  }
  /** A service account's: named as such, so that nothing else that a variable may hold is believed. */
  readonly JWT: new (options: {
    readonly email: string
    readonly key: string
    readonly keyId?: string
    readonly scopes: string
  }) => GoogleClient
}

export interface Settings {
  readonly secretOf: (secret: Secret) => string | undefined
  readonly google?: () => Promise<GoogleLibrary>
}

/** 60 ms and 13 MB. */
const loadGoogle = (): Promise<GoogleLibrary> => import("google-auth-library")

/** The whole of Google Cloud, within what the account may do there. */
const googleScope = "https://www.googleapis.com/auth/cloud-platform"
/** How long a token is believed of which nobody says how long it is good. */
const unsaidMillis = 5 * 60_000
const longestMillis = 24 * 3_600_000
const maxAnswerBytes = 64 * 1_024

const fault = (kind: FailureClass, message: string): Failure => ({ class: kind, message })

/** What the answer of an authority means for those who wait: only a refusal is the credential's own fault. */
const classOf = (status: number): FailureClass =>
  status === 429 ? "rate-limited" : status >= 500 ? "server-error" : status >= 400 ? "auth" : "malformed"

/** A message in one line, without the secrets and not too long. */
const said = (text: unknown, ...secrets: ReadonlyArray<string | undefined>): string => {
  let clean = typeof text === "string" ? text : ""
  for (const secret of secrets) if (secret !== undefined && secret !== "") clean = clean.replaceAll(secret, "[redacted]")
  return clean.replaceAll(/\s+/g, " ").trim().slice(0, 300)
}

/** A token that a header can carry, for as long as it is good. */
const granted = (token: unknown, lifetimeMillis: number, who: string): Effect.Effect<Tokens.Granted, Failure> =>
  typeof token === "string" && /^[\x21-\x7e]{1,16384}$/.test(token) && lifetimeMillis > 0
    ? Effect.succeed({ token, lifetimeMillis: Math.min(lifetimeMillis, longestMillis) })
    : Effect.fail(fault("malformed", `${who} answered without a token`))

/** Codes of errors before there was an answer. */
const unreachedCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ETIMEDOUT",
  "ENETUNREACH",
  "EHOSTUNREACH"
])

/** Why a request did not come about. */
const unreached = (error: unknown): string => {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message || (cause as { readonly code?: string }).code || cause.name : String(cause)
}

/** The object that a text is the JSON of; an empty one where it is none. */
const parsed = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const json: unknown = JSON.parse(text)
    return typeof json === "object" && json !== null ? (json as Readonly<Record<string, unknown>>) : {}
  } catch {
    return {}
  }
}

const entraGrant =
  (agent: Agent, secretOf: Settings["secretOf"]) =>
  ({ authority, client, scope, secret: name, tenant }: Entra): Effect.Effect<Tokens.Granted, Failure> =>
    Effect.suspend(() => {
      const who = `Entra ID (application \`${client}\`)`
      const secret = secretOf(name)
      if (secret === undefined || secret === "")
        return Effect.fail(fault("auth", `the environment variable \`${name.env}\` is not set, so there is no token of ${who}`))
      const form = new URLSearchParams({ grant_type: "client_credentials", client_id: client, client_secret: secret, scope })
      const url = `${authority.replace(/\/+$/, "")}/${encodeURIComponent(tenant)}/oauth2/v2.0/token`
      return Effect.tryPromise({
        try: async (signal) => {
          // The secret goes nowhere but there.
          const answer = await fetch(url, { method: "POST", body: form, redirect: "error", dispatcher: agent, signal })
          return { status: answer.status, text: await answer.text() }
        },
        catch: (error) => fault("connection", `${who} cannot be reached: ${said(unreached(error), secret, encodeURIComponent(secret))}`)
      }).pipe(
        Effect.flatMap(({ status, text }) => {
          const body = parsed(text)
          if (status === 200) return granted(body["access_token"], Number(body["expires_in"]) * 1_000, who)
          const why = said(body["error_description"] ?? body["error"], secret)
          return Effect.fail(fault(classOf(status), `${who} gives no token (${status})${why === "" ? "" : `: ${why}`}`))
        })
      )
    })

/** The service account that a text is the JSON of. */
const accountIn = (text: string): { readonly email: string; readonly key: string; readonly keyId?: string } | undefined => {
  const { client_email: email, private_key: key, private_key_id: keyId, type } = parsed(text)
  if (type !== "service_account" || typeof email !== "string" || typeof key !== "string") return undefined
  return { email, key, ...(typeof keyId === "string" ? { keyId } : {}) }
}

const googleGrant =
  (load: () => Promise<GoogleLibrary>, secretOf: Settings["secretOf"]) =>
  ({ credentials }: Google): Effect.Effect<Tokens.Granted, Failure> =>
    Effect.suspend(() => {
      const who = credentials === undefined ? "Google (application default credentials)" : `Google (\`${credentials.env}\`)`
      const text = credentials === undefined ? undefined : secretOf(credentials)
      if (credentials !== undefined && (text === undefined || text === ""))
        return Effect.fail(fault("auth", `the environment variable \`${credentials.env}\` is not set, so there is no token of ${who}`))
      const account = text === undefined ? undefined : accountIn(text)
      if (credentials !== undefined && account === undefined)
        return Effect.fail(fault("auth", `the environment variable \`${credentials.env}\` does not hold the JSON of a service account`))
      return Effect.tryPromise({
        try: async () => {
          const { GoogleAuth, JWT } = await load()
          // Where it is told no project it looks for one, which no token depends on and takes requests that may be forbidden.
          const client =
            account === undefined
              ? await new GoogleAuth({ scopes: googleScope, projectId: "-" }).getClient()
              : new JWT({ ...account, scopes: googleScope })
          const { token } = await client.getAccessToken()
          const ends = client.credentials.expiry_date
          return { token, lifetimeMillis: typeof ends === "number" ? ends - Date.now() : unsaidMillis }
        },
        catch: (error) => {
          const { code, response } = (error ?? {}) as { readonly code?: unknown; readonly response?: { readonly status?: unknown } }
          const status = Number(response?.status)
          const kind = status > 0 ? classOf(status) : unreachedCodes.has(String(code)) ? "connection" : "auth"
          return fault(kind, `${who} gives no token${status > 0 ? ` (${status})` : ""}: ${said(unreached(error), account?.key)}`)
        }
      }).pipe(Effect.flatMap(({ lifetimeMillis, token }) => granted(token, lifetimeMillis, who)))
    })

/** Tokens, got over the network. */
export const layer = ({ google = loadGoogle, secretOf }: Settings): Layer.Layer<never> =>
  Layer.unwrap(
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => new Agent({ maxResponseSize: maxAnswerBytes, keepAliveTimeout: 1_000 })),
        (agent) => Effect.promise(() => agent.destroy())
      ),
      (agent) => {
        const [ofEntra, ofGoogle] = [entraGrant(agent, secretOf), googleGrant(google, secretOf)]
        return Tokens.layer(({ entra, google: account }) => (entra === undefined ? ofGoogle(account ?? {}) : ofEntra(entra)))
      }
    )
  )
