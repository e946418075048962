/**
 * The credential that a provider is given: one key, several with their weights, or tokens. Only one of these can be meant, a key that stands twice among several would
 * be asked again for what it has just been refused, and a provider's own address refuses whoever sends none.
 */
import type { Found } from "../Check.ts"
import type { Policy } from "../Policy.ts"
import { type Provider, providerKinds, providers as registry, tokenKinds } from "../Providers.ts"

type Declared = Policy["providers"][string]

/** Kinds of providers, as a message lists them. */
export const kindsWith = (holds: (provider: Provider) => boolean): string =>
  providerKinds
    .filter((kind) => holds(registry[kind]))
    .map((kind) => `\`${kind}\``)
    .join(", ")

export const isLoopback = (url: URL): boolean =>
  url.hostname === "localhost" || url.hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(url.hostname)

/** Whether what is sent there can be read on the way. */
const isClear = (url: URL): boolean => url.protocol === "http:" && !isLoopback(url)

/** Whether the credential of a provider that answers at `url` can be read on the way. */
export const checkCrossing = (name: string, { auth, key, keys }: Declared, url: URL, found: Found): void => {
  const crosses =
    key !== undefined
      ? `key of \`${name}\` crosses`
      : keys !== undefined
        ? `keys of \`${name}\` cross`
        : auth !== undefined
          ? `tokens of \`${name}\` cross`
          : undefined
  if (crosses !== undefined && isClear(url))
    found("warning", ["providers", name, "baseUrl"], "key-in-clear", `the ${crosses} the network unencrypted`, "use https")
}

const checkAuth = (name: string, auth: NonNullable<Declared["auth"]>, { dialect, key, keys }: Declared, found: Found): void => {
  const path = ["providers", name, "auth"]
  const { tokens, usualAuth }: Provider = registry[dialect]
  const given = auth.entra === undefined ? "google" : "entra"
  if (tokens === undefined) {
    const message = `\`${dialect}\` takes a key and no tokens`
    found("error", path, "useless-field", message, `say its \`key\`; tokens are for ${kindsWith((kind) => kind.tokens !== undefined)}`)
    return
  }
  if (given !== tokens)
    found(
      "error",
      [...path, given],
      "useless-field",
      `\`${dialect}\` takes tokens of ${tokenKinds[tokens]}, and not of ${tokenKinds[given]}`,
      `say \`${tokens}\` in its \`auth\``
    )
  const other = key === undefined ? (keys === undefined ? undefined : "keys") : "key"
  if (other !== undefined)
    found(
      "error",
      path,
      "two-credentials",
      `\`${name}\` has both ${other === "key" ? "a `key`" : "`keys`"} and \`auth\`, and only one of them can be sent`,
      usualAuth === undefined ? "leave one out" : `leave \`${other}\` out`
    )
  const authority = auth.entra && new URL(auth.entra.authority)
  if (authority !== undefined && isClear(authority))
    found(
      "warning",
      [...path, "entra", "authority"],
      "key-in-clear",
      `the secret of \`${name}\` crosses the network unencrypted`,
      "use https"
    )
}

const checkKeys = (name: string, keys: NonNullable<Declared["keys"]>, { key }: Declared, found: Found): void => {
  const path = ["providers", name, "keys"]
  if (key !== undefined)
    found(
      "error",
      path,
      "two-credentials",
      `\`${name}\` has both a \`key\` and \`keys\`, and only one of them can be meant`,
      "put it among its `keys`"
    )
  const seen = new Set<string>()
  for (const [i, one] of keys.entries()) {
    const { env } = one.key
    if (seen.has(env))
      found(
        "error",
        [...path, i],
        "credential-twice",
        `\`${env}\` is among the keys of \`${name}\` already, and would be asked again for what it has just been refused`,
        "name it once, with its `weight`"
      )
    seen.add(env)
  }
  if (keys.length === 1 && key === undefined)
    found("note", path, "one-of-keys", `there is no other key of \`${name}\` that calls could go on to`, "name another, or say `key`")
}

const checkNone = (name: string, { auth, baseUrl, dialect, key, keys }: Declared, found: Found): void => {
  const { baseUrl: own, env, keyless, usualAuth }: Provider = registry[dialect]
  if ((key ?? keys ?? auth ?? usualAuth) !== undefined || keyless === true || own === undefined || baseUrl !== undefined) return
  const fix = `say its \`key\`, such as \`{ "env": "${env}_API_KEY" }\``
  found("warning", ["providers", name], "no-credential", `\`${name}\` has no credential, and \`${dialect}\` refuses calls without one`, fix)
}

export const checkCredentials = (name: string, declared: Declared, found: Found): void => {
  const { auth, keys } = declared
  checkNone(name, declared, found)
  if (auth !== undefined) checkAuth(name, auth, declared, found)
  if (keys !== undefined) checkKeys(name, keys, declared, found)
}
