/**
 * What a provider says of itself: where it answers, and what it is spoken to in (its credential is in `credentials.ts`). Each field has to mean something to its kind, because
 * one that means nothing is one that its author believes in.
 */
import type { Found } from "../Check.ts"
import type { Policy } from "../Policy.ts"
import { type Provider, providers as registry } from "../Providers.ts"
import { didYouMean } from "../Suggest.ts"
import { dialectsOf } from "../Target.ts"
import { checkCredentials, checkCrossing, isLoopback, kindsWith } from "./credentials.ts"

type Declared = Policy["providers"][string]

/** The address of a provider with what stands for its parts; undefined where there is none. */
export const addressIn = ({ baseUrl, dialect }: Declared): string | undefined => baseUrl ?? (registry[dialect] as Provider).baseUrl

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
  checkCrossing(name, declared, url, found)
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
  checkCredentials(name, declared, found)
  checkSpeech(name, declared, found)
}
