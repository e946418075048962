/**
 * Getting an image or a document from where a request says it lies, for a target that takes no addresses: the seam to the network. Only hosts that the policy names
 * are asked, and nothing is fetched where it names none; the live layer refuses every private address besides.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/** What may be fetched. */
export interface FetchLimits {
  /** Hosts, each as `images.example.com`, `*.example.com` for all below it, and with `:port` where that is not the scheme's own. */
  readonly hosts: ReadonlyArray<string>
  readonly maxBytes: number
  /** From the beginning to the last byte, redirects included. */
  readonly timeoutMillis: number
}

/** What was fetched. */
export interface Fetched {
  readonly mediaType: string
  /** Base64. */
  readonly data: string
}

/** Whether `url` lies on a host that may be asked. */
export const isAllowed = (url: URL, hosts: ReadonlyArray<string>): boolean => {
  if (url.protocol !== "http:" && url.protocol !== "https:") return false
  if (url.username !== "" || url.password !== "") return false
  return hosts.some((entry) => {
    const wanted = entry.toLowerCase()
    if (!wanted.startsWith("*.")) return url.host === wanted
    // `*.example.com` is every host below it, and not itself.
    return url.host.endsWith(wanted.slice(1)) && url.host.length > wanted.length - 1
  })
}

/** Fetches, or says in one sentence why not. Without a layer nothing can be fetched. */
export const Fetch = Context.Reference<(url: URL, limits: FetchLimits) => Effect.Effect<Fetched, string>>("turnout/Fetch", {
  defaultValue: () => () => Effect.fail("nothing is fetched here")
})
