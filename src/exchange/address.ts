/**
 * Where and how a target is reached: what is the same for every request to it in one dialect, made once, and what takes its credential out of what is said of it.
 */
import type { Dialect } from "../Dialect.ts"
import type { Failure } from "../Failure.ts"
import type { Secret } from "../Policy.ts"
import type { Account, Target } from "../Target.ts"
import type { UpstreamRequest } from "../Upstream.ts"

/** Where a request goes. */
type Place = Pick<UpstreamRequest, "origin" | "path">

/** What is the same for every request to a target in one dialect. */
export interface Address {
  /** By the path of the dialect: few, because a target has one deployment. */
  readonly places: Map<string, Place>
  readonly headers: ReadonlyArray<string>
  /** Headers of the caller that go on. */
  readonly passes: ReadonlyArray<string>
  /** Those of `headers` that the policy adds, as records name them. */
  readonly added: ReadonlyArray<string>
  /** JSON of what requests name as their model. */
  readonly model: string
  readonly missingKey: string | undefined
  readonly redact: (failure: Failure) => Failure
  readonly clean: (text: string) => string
}

/** Dialects take out what looks like a key; only here is it known what the secrets are, as they stand in a text and as JSON writes them. */
const cleaner = (secrets: ReadonlyArray<string>): ((text: string) => string) => {
  // One secret may be a part of another, which has to go first.
  const spellings = [...new Set(secrets.flatMap((secret) => [JSON.stringify(secret).slice(1, -1), secret]))]
    .filter((text) => text !== "")
    .sort((a, b) => b.length - a.length)
  return (text) => spellings.reduce((clean, spelling) => clean.replaceAll(spelling, "[redacted]"), text)
}

const secretName = /key|token|secret|auth/i
/** A value that is shorter is no secret worth the name, and would be found in every message. */
const shortestSecret = 8

/** What is secret of the headers that a policy adds, by their names: the value, and of a scheme and a credential the credential alone. */
const secretsIn = (headers: ReadonlyArray<readonly [name: string, value: string]>): ReadonlyArray<string> =>
  headers
    .filter(([name]) => secretName.test(name))
    .flatMap(([, value]) => [value, ...value.split(" ").slice(1)])
    .filter((value) => value.length >= shortestSecret)

const redactor =
  (clean: (text: string) => string) =>
  ({ code, message, param, ...rest }: Failure): Failure => ({
    ...rest,
    message: clean(message),
    ...(code === undefined ? {} : { code: clean(code) }),
    ...(param === undefined ? {} : { param: clean(param) })
  })

/** What takes the credential of a request out of what is said of it: the key, or the token that stands for one. */
export const discretion = ({ clean, redact }: Address, token: string | undefined): Pick<Address, "clean" | "redact"> => {
  if (token === undefined) return { redact, clean }
  const ofToken = cleaner([token])
  const both = (text: string): string => clean(ofToken(text))
  return { redact: redactor(both), clean: both }
}

/** The addresses of targets, their keys by `secretOf`. */
export const addressesBy = (
  secretOf: (secret: Secret) => string | undefined
): ((target: Target, dialect: Dialect, account: Account) => Address) => {
  const reached = new WeakMap<Account, Map<Dialect, Address>>()
  return (target, dialect, account) => {
    let ofAccount = reached.get(account)
    if (ofAccount === undefined) reached.set(account, (ofAccount = new Map()))
    const found = ofAccount.get(dialect)
    if (found !== undefined) return found
    const key = account.key === undefined ? undefined : secretOf(account.key)
    const credential = key === undefined ? {} : target.credential(key)
    const own = { "content-type": "application/json", "accept-encoding": "identity", ...dialect.headers, ...credential }
    // INVARIANT: a policy sets no credential and nothing of the connection. What the dialect sends itself it cannot replace either, nor what it would send with a key.
    const beside = Object.entries(target.set?.headers ?? {}).filter(
      ([name]) => !Object.hasOwn(own, name) && !Object.hasOwn(target.credential(""), name)
    )
    // What stands before a provider may know its other keys.
    const keys = target.accounts.flatMap((other) => (other.key && secretOf(other.key)) ?? [])
    const clean = cleaner([...keys, ...secretsIn(beside)])
    const address: Address = {
      // An allow-list by construction: nothing of the caller's headers goes on but what the dialect names.
      headers: Object.entries({ "user-agent": "turnout", ...Object.fromEntries(beside), ...own }).flat(),
      passes: dialect.passes.filter((name) => !beside.some(([set]) => set === name)),
      places: new Map(),
      added: beside.map(([name]) => `headers.${name}`),
      model: JSON.stringify(target.deployment),
      missingKey: account.key !== undefined && key === undefined ? account.key.env : undefined,
      redact: redactor(clean),
      clean
    }
    ofAccount.set(dialect, address)
    return address
  }
}

/** Where a request of this path goes. */
export const placeOf = (target: Target, { places }: Address, path: string): Place => {
  const known = places.get(path)
  if (known !== undefined) return known
  const url = new URL(target.baseUrl + target.place(path))
  const place = { origin: url.origin, path: url.pathname + url.search }
  places.set(path, place)
  return place
}
