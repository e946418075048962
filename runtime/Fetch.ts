/**
 * The live `Fetch`: images and documents over HTTP, from hosts that a policy names and from nowhere else.
 *
 * A caller chooses the address, so everything about it is suspected (OWASP, "Server-Side Request Forgery Prevention"): the host must be on the list, at every redirect anew; what
 * the name resolves to must be a public address, all of it, and the connection goes to the very addresses that were looked at, so that a name cannot change its mind; no
 * credentials, no cookies, no other schemes; size and time are limited over the whole chase.
 */
import { lookup as resolve } from "node:dns"
import { BlockList, isIP, type LookupFunction } from "node:net"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Agent, request } from "undici"
import { Fetch, type Fetched, type FetchLimits, isAllowed } from "../src/Fetch.ts"

const maxRedirects = 3

/** Addresses that are not for everybody (IANA, "Special-Purpose Address Registries"). */
const special = new BlockList()
for (const [net, bits] of [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 3]
] as const)
  special.addSubnet(net, bits, "ipv4")
for (const [net, bits] of [
  ["2001::", 23],
  ["2001:db8::", 32],
  ["2002::", 16],
  ["3fff::", 20]
] as const)
  special.addSubnet(net, bits, "ipv6")
/** Of IPv6 only this is given to anybody; what maps or translates IPv4 lies outside of it. */
const global = new BlockList()
global.addSubnet("2000::", 3, "ipv6")

/** Whether `address` can be reached by everybody. */
export const isPublic = (address: string): boolean => {
  const version = isIP(address)
  if (version === 4) return !special.check(address, "ipv4")
  return version === 6 && global.check(address, "ipv6") && !special.check(address, "ipv6")
}

export interface FetchOptions {
  /** Which addresses may be connected to; all that are public. */
  readonly permits?: (address: string) => boolean
}

/** What the bytes are, where the server does not say. */
const sniff = (bytes: Buffer): string | undefined => {
  const head = bytes.subarray(0, 12).toString("latin1")
  if (head.startsWith("\x89PNG")) return "image/png"
  if (head.startsWith("\xff\xd8\xff")) return "image/jpeg"
  if (head.startsWith("GIF8")) return "image/gif"
  if (head.startsWith("RIFF") && head.endsWith("WEBP")) return "image/webp"
  return head.startsWith("%PDF-") ? "application/pdf" : undefined
}

const vague = new Set(["", "application/octet-stream", "binary/octet-stream"])

class Refused extends Error {}

/** A lookup that gives only addresses which may be connected to, and none at all where a single one may not. */
const checkedLookup =
  (permits: (address: string) => boolean): LookupFunction =>
  (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, "", 0)
      const [first] = addresses
      if (first === undefined || !addresses.every(({ address }) => permits(address)))
        return callback(new Refused(`\`${hostname}\` is at an address that is not public`), "", 0)
      if (options.all === true) callback(null, addresses)
      else callback(null, first.address, first.family)
    })
  }

const fetchFrom = async (agent: Agent, permits: (address: string) => boolean, start: URL, limits: FetchLimits, signal: AbortSignal) => {
  let url = start
  for (let hops = 0; ; hops++) {
    if (!isAllowed(url, limits.hosts)) throw new Refused(`\`${url.host}\` is not a host that the policy lets be fetched from`)
    const literal = url.hostname.replace(/^\[|\]$/g, "")
    // Names are looked at when they are resolved; an address that is written down never is.
    if (isIP(literal) !== 0 && !permits(literal)) throw new Refused(`\`${url.hostname}\` is not a public address`)
    const { body, headers, statusCode } = await request(url, {
      dispatcher: agent,
      signal,
      headers: { "user-agent": "turnout", accept: "image/*, application/pdf, text/plain;q=0.5", "accept-encoding": "identity" }
    })
    // A body that is let go of says so as an error; whoever reads it hears of it another way.
    body.on("error", () => {})
    const { location } = headers
    if (statusCode >= 300 && statusCode < 400 && typeof location === "string") {
      await body.dump({ limit: 64 * 1024 }).catch(() => {})
      if (hops >= maxRedirects) throw new Refused(`it was redirected more than ${maxRedirects} times`)
      const next = URL.parse(location, url)
      if (next === null) throw new Refused("it was redirected to what is no address")
      url = next
      continue
    }
    const tooLarge = new Refused(`it is larger than ${limits.maxBytes} bytes`)
    if (statusCode !== 200 || Number(headers["content-length"]) > limits.maxBytes) {
      body.destroy()
      throw statusCode === 200 ? tooLarge : new Refused(`the server answered ${statusCode}`)
    }
    const chunks: Array<Buffer> = []
    let length = 0
    for await (const chunk of body) {
      length += (chunk as Buffer).length
      if (length > limits.maxBytes) throw tooLarge
      chunks.push(chunk as Buffer)
    }
    const bytes = Buffer.concat(chunks)
    const type = String(headers["content-type"] ?? "")
    const said = (type.split(";")[0] ?? "").trim().toLowerCase()
    const mediaType = vague.has(said) ? sniff(bytes) : said
    if (bytes.length === 0) throw new Refused("it is empty")
    if (mediaType === undefined || !/^(?:image\/|application\/pdf$|text\/plain$|audio\/|video\/)/.test(mediaType))
      throw new Refused(`it is of the type \`${(said || "unknown").slice(0, 80)}\`, which is no image or document`)
    return { mediaType, data: bytes.toString("base64") } satisfies Fetched
  }
}

const seconds = (millis: number): string => `${millis / 1_000} s`

/** Fetches over undici, with connections of its own. */
export const layer = ({ permits = isPublic }: FetchOptions = {}): Layer.Layer<never> =>
  Layer.effect(
    Fetch,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(
          () => new Agent({ connect: { lookup: checkedLookup(permits), timeout: 5_000 }, keepAliveTimeout: 1_000, pipelining: 0 })
        ),
        (agent) => Effect.promise(() => agent.destroy())
      ),
      (agent) => (url: URL, limits: FetchLimits) =>
        Effect.tryPromise({
          try: (signal) => fetchFrom(agent, permits, url, limits, AbortSignal.any([signal, AbortSignal.timeout(limits.timeoutMillis)])),
          catch: (error) => {
            if (error instanceof Refused) return error.message
            const cause = error instanceof Error ? error : new Error(String(error))
            return cause.name === "TimeoutError"
              ? `it did not come within ${seconds(limits.timeoutMillis)}`
              : `it could not be fetched: ${cause.message}`
          }
        })
    )
  )
