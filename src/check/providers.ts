/**
 * What a provider says of itself: where it answers, what it is spoken to in, and the credential that it is given. Each field has to mean something to its kind, because
 * one that means nothing is one that its author believes in.
 */
import type { Found } from "../Check.ts"
import type { Policy } from "../Policy.ts"
import { type Provider, providerKinds, providers as registry, tokenKinds } from "../Providers.ts"
import { didYouMean } from "../Suggest.ts"
import { dialectsOf } from "../Target.ts"

type Declared = Policy["providers"][string]

const isLoopback = (url: URL): boolean =>
  url.hostname === "localhost" || url.hostname === "[::1]" || /^127(\.\d{1,3}){3}$/.test(url.hostname)

/** Whether what is sent there can be read on the way. */
const isClear = (url: URL): boolean => url.protocol === "http:" && !isLoopback(url)

/** The address of a provider with what stands for its parts; undefined where there is none. */
export const addressIn = ({ baseUrl, dialect }: Declared): string | undefined => baseUrl ?? (registry[dialect] as Provider).baseUrl

const kindsWith = (holds: (provider: Provider) => boolean): string =>
  providerKinds
    .filter((kind) => holds(registry[kind]))
    .map((kind) => `\`${kind}\``)
    .join(", ")

const checkAddress = (name: string, declared: Declared, found: Found): void => {
  const path = ["providers", name]
  const address = addressIn(declared)
  if (address === undefined) {
    const { example } = registry[declared.dialect] as Provider
    const fix = `say where it answers in \`baseUrl\`${example === undefined ? "" : `, such as \`${example}\``}`
    found("error", path, "no-address", `\`${declared.dialect}\` has no usual address`, fix)
    return
  }
  const placeholders = ["{region}", "{project}"]
  for (const [placeholder] of address.matchAll(/\{[^}]*\}/g)) {
    if (placeholders.includes(placeholder)) continue
    found(
      "error",
      [...path, "baseUrl"],
      "unknown-placeholder",
      `\`${placeholder}\` stands for nothing in an address`,
      didYouMean(placeholder, placeholders) ?? "only `{region}` and `{project}` do"
    )
  }
  const named = address.includes("{project}")
  if (named && declared.project === undefined)
    found(
      "error",
      path,
      "address-without-project",
      `\`${name}\` answers at an address with \`{project}\`, and has no project`,
      `say the \`project\` of \`${name}\``
    )
  if (!named && declared.project !== undefined)
    found(
      "error",
      [...path, "project"],
      "useless-field",
      `no part of the address of \`${name}\` is a project`,
      declared.baseUrl === undefined ? "leave it out" : "leave it out, or put `{project}` into its `baseUrl`"
    )
  const url = new URL(address.replaceAll("{region}", "region").replaceAll("{project}", "project"))
  if (declared.mock !== undefined && (!isLoopback(url) || url.protocol !== "http:" || url.port === ""))
    found(
      "error",
      [...path, "baseUrl"],
      "mock-address",
      "a mock answers on a loopback address with a port",
      "such as `http://127.0.0.1:8081/v1`"
    )
  if ((declared.key ?? declared.auth) !== undefined && isClear(url)) {
    const what = declared.key === undefined ? "tokens" : "key"
    const message = `the ${what} of \`${name}\` ${what === "key" ? "crosses" : "cross"} the network unencrypted`
    found("warning", [...path, "baseUrl"], "key-in-clear", message, "use https")
  }
}

const checkCredential = (name: string, { auth, dialect, key }: Declared, found: Found): void => {
  if (auth === undefined) return
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
  if (key !== undefined)
    found(
      "error",
      path,
      "two-credentials",
      `\`${name}\` has both a \`key\` and \`auth\`, and only one of them can be sent`,
      usualAuth === undefined ? "leave one out" : "leave `key` out"
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

const checkSpeech = (name: string, { apiVersion, dialect, mock, speaks }: Declared, found: Found): void => {
  const provider: Provider = registry[dialect]
  const path = ["providers", name]
  const spoken: ReadonlyArray<string> = dialectsOf(provider).map((one) => one.name)
  for (const [i, api] of (speaks ?? []).entries()) {
    if (spoken.includes(api)) continue
    const fix = `it speaks ${spoken.map((one) => `\`${one}\``).join(" and ")}`
    found("error", [...path, "speaks", i], "unknown-dialect", `a provider of dialect \`${dialect}\` does not speak \`${api}\``, fix)
  }
  if (mock !== undefined && !(speaks ?? spoken).includes("chat.completions")) {
    const message = `the built-in mock speaks \`chat.completions\`, in which \`${name}\` is never asked`
    found("error", [...path, "mock"], "useless-field", message, 'use `dialect: "openai"` for what the mock plays')
  }
  if (apiVersion !== undefined && provider.dated !== true) {
    const fix = `leave it out; only ${kindsWith(({ dated }) => dated === true)} has them`
    found("error", [...path, "apiVersion"], "useless-field", `the API of \`${dialect}\` has no dated versions`, fix)
  }
}

export const checkProvider = (name: string, declared: Declared, found: Found): void => {
  checkAddress(name, declared, found)
  checkCredential(name, declared, found)
  checkSpeech(name, declared, found)
}
