/**
 * Who may knock: closed defaults for a gateway that spends money for whoever reaches it. Pure functions over headers.
 *
 * Without keys only loopback is listened on, only a loopback `Host` is answered (a rebound DNS name points a browser at us), and a foreign `Origin` is refused (a
 * web page must not spend money). JSON only, because a browser sends anything else without asking first.
 */
import type { IncomingHttpHeaders } from "node:http"
import { type GatewayError, missingKey, refuse, unknownKey } from "../src/GatewayError.ts"

/** Whether `host` (no port, IPv6 without brackets) can only be this machine. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host) || /^::ffff:127(\.\d{1,3}){3}$/i.test(host)

const hostname = (authority: string): string => {
  const bracket = /^\[([^\]]*)\](:\d+)?$/.exec(authority)
  return (bracket?.[1] ?? authority.replace(/:\d+$/, "")).toLowerCase()
}

/** Hosts that were found to be loopback: few, and asked for again with every request. */
const loopbackHosts = new Set<string>()

const isLoopbackHost = (host: string): boolean => {
  if (loopbackHosts.has(host)) return true
  if (!isLoopback(hostname(host))) return false
  if (loopbackHosts.size < 100) loopbackHosts.add(host)
  return true
}

/** Refuses a request that a gateway without keys must not answer. */
export const checkOrigin = (headers: IncomingHttpHeaders): GatewayError | undefined => {
  const { host, origin } = headers
  if (host === undefined || !isLoopbackHost(host)) {
    return refuse("foreign_host", `without keys only loopback names are answered, not \`${(host ?? "").slice(0, 100)}\``)
  }
  if (origin !== undefined) {
    const url = URL.parse(origin)
    if (url === null || !isLoopback(hostname(url.host))) {
      return refuse("foreign_origin", `without keys a page of \`${origin.slice(0, 100)}\` may not call the gateway`)
    }
  }
  return undefined
}

/** Refuses a body that is not plain JSON. */
export const checkBody = (headers: IncomingHttpHeaders, maxBodyBytes: number): GatewayError | undefined => {
  const type = headers["content-type"] ?? ""
  if (type !== "application/json" && !/^application\/json\s*(;|$)/i.test(type)) {
    return refuse(
      "unsupported_media_type",
      type === "" ? "`content-type` is missing: send application/json" : `\`${type.slice(0, 100)}\` is not taken: send application/json`
    )
  }
  const charset = type === "application/json" ? undefined : /charset\s*=\s*"?([^\s;"]+)/i.exec(type)?.[1]
  if (charset !== undefined && !/^utf-?8$/i.test(charset))
    return refuse("unsupported_media_type", `the charset \`${charset.slice(0, 40)}\` is not taken: JSON is UTF-8`)
  const encoding = headers["content-encoding"]
  if (encoding !== undefined && encoding !== "identity")
    return refuse("unsupported_media_type", `a body encoded as \`${encoding.slice(0, 40)}\` is not taken: send it plain`)
  const length = Number(headers["content-length"])
  return length > maxBodyBytes ? tooLarge(maxBodyBytes) : undefined
}

export const tooLarge = (maxBodyBytes: number): GatewayError => refuse("body_too_large", `the body is larger than ${maxBodyBytes} bytes`)

const conflicting = refuse("conflicting_keys", "the request carries two keys that differ: send one")

/** The headers in which SDKs send a key, each without its scheme. */
const keyHeaders = ["x-turnout-key", "x-bf-vk", "x-api-key", "x-goog-api-key", "api-key"] as const

/** The one secret that a request carries, in a header or where `inQuery` found one; two that differ are refused, because either could be the one that was meant. */
export const secretOf = (headers: IncomingHttpHeaders, inQuery?: string): string | undefined | GatewayError => {
  let secret = inQuery === "" ? undefined : inQuery
  const { authorization } = headers
  if (authorization !== undefined) {
    const bearer = authorization.startsWith("Bearer ") ? authorization.slice(7).trim() : (/^Bearer\s+(.+)$/i.exec(authorization)?.[1] ?? "")
    if (bearer !== "") {
      if (secret !== undefined && secret !== bearer) return conflicting
      secret = bearer
    }
  }
  for (const name of keyHeaders) {
    const value = headers[name]
    if (value === undefined || value === "") continue
    if (typeof value !== "string" || (secret !== undefined && secret !== value)) return conflicting
    secret = value
  }
  return secret
}

/** The key in an address, which clients of an API whose addresses name models may put there. `query` is where its query begins, -1 for none. */
export const queryKeyOf = (url: string, query: number): string | undefined =>
  query === -1 ? undefined : (new URLSearchParams(url.slice(query)).get("key") ?? undefined)

const usable = /^[\x21-\x7e]{1,128}$/

/** The caller's request id, if it can be put into headers and logs as it is. */
export const requestIdOf = (headers: IncomingHttpHeaders): string | undefined => {
  const id = headers["x-request-id"]
  return typeof id === "string" && usable.test(id) ? id : undefined
}

/** What anybody may ask, key or no key: whether the gateway lives and is ready. */
const open = new Set(["/healthz", "/readyz"])

/**
 * Refuses a request to the control plane of a gateway with keys that shows no key. Figures are open to this machine, where what gathers them usually
 * runs.
 */
export const checkControl = (
  path: string,
  headers: IncomingHttpHeaders,
  peer: string | undefined,
  find: (secret: string | undefined) => object | undefined,
  inQuery?: string
): GatewayError | undefined => {
  if (open.has(path) || (path === "/metrics" && peer !== undefined && isLoopback(peer))) return undefined
  const secret = secretOf(headers, inQuery)
  if (typeof secret === "object") return secret
  return find(secret) === undefined ? (secret === undefined ? missingKey : unknownKey) : undefined
}
