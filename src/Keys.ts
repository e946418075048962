/**
 * Who is calling: a secret in, a caller out. The policy's keys and the issued ones are layers of this one service.
 *
 * `of` is asked once for each policy and gives a synchronous function, because it stands before everything else on every call; a layer over a database keeps its
 * view in memory. A secret is found by its SHA-256 and then compared in constant time, so that neither step tells how much of a guess was right.
 */
import { sha256 } from "@noble/hashes/sha2.js"
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import type { Policy, Secret } from "./Policy.ts"

export interface Caller {
  readonly key: string
  readonly class: string
  readonly team: string | null
  readonly organisation: string | null
  readonly tags: ReadonlyArray<string>
}

/** The caller of a gateway without keys, which listens on loopback only. */
export const local: Caller = { key: "local", class: "local", team: null, organisation: null, tags: [] }

/** The caller whose secret this is; undefined where nobody's. `secret` is undefined where the request carries none. */
export type Find = (secret: string | undefined) => Caller | undefined

/** The callers that a policy names, by key. */
export const callersOf = (policy: Pick<Policy, "keys">): ReadonlyMap<string, Caller> =>
  new Map(
    Object.entries(policy.keys).map(([key, { class: name, organisation = null, tags, team = null }]) => [
      key,
      { key, class: name, team, organisation, tags }
    ])
  )

/** Whether two texts of one length are equal, in a time that depends on the length alone. */
const equal = (a: string, b: string): boolean => {
  let difference = a.length ^ b.length
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i)
  return difference === 0
}

/** SHA-256 of a text's UTF-8 bytes, in hexadecimal. A runtime that has a faster one brings it. */
export type Digest = (text: string) => string

const portable: Digest = (text) => bytesToHex(sha256(utf8ToBytes(text)))

interface Known {
  readonly digest: string
  readonly caller: Caller
}

/** A key that the policy names and nobody can use, or that two callers share. */
export interface KeyTrouble {
  readonly key: string
  readonly message: string
}

/** Digests of a policy's keys, and what is wrong with the secrets that the environment holds. */
const digests = (
  policy: Pick<Policy, "keys">,
  secretOf: (secret: Secret) => string | undefined,
  digest: Digest
): { readonly known: ReadonlyMap<string, Known>; readonly troubles: ReadonlyArray<KeyTrouble> } => {
  const known = new Map<string, Known>()
  const troubles: Array<KeyTrouble> = []
  for (const [key, caller] of callersOf(policy)) {
    const { secret } = policy.keys[key]!
    let hash: string
    if ("sha256" in secret) hash = secret.sha256
    else {
      const value = secretOf(secret)
      if (value === undefined || value === "") {
        troubles.push({ key, message: `${secret.env} is not set, so nobody can use the key \`${key}\`` })
        continue
      }
      if (value.length < 16)
        troubles.push({ key, message: `${secret.env}, the secret of \`${key}\`, is shorter than 16 characters and can be guessed` })
      hash = digest(value)
    }
    const other = known.get(hash)
    // Whose it is could not be told, and guessing would charge the wrong one.
    if (other !== undefined) {
      troubles.push({
        key,
        message: `the keys \`${other.caller.key}\` and \`${key}\` have one secret, so only \`${other.caller.key}\` can be used`
      })
      continue
    }
    known.set(hash, { digest: hash, caller })
  }
  return { known, troubles }
}

/** What people should know of the secrets behind a policy's keys. */
export const troublesOf = (policy: Pick<Policy, "keys">, secretOf: (secret: Secret) => string | undefined): ReadonlyArray<KeyTrouble> =>
  digests(policy, secretOf, portable).troubles

const listed = (names: ReadonlyArray<string>): string =>
  names.length === 1 ? names[0]! : `${names.slice(0, -1).join(", ")} and ${names.at(-1)!}`

/** What people should know of the keys of a policy's providers: those that the environment does not hold, and those that are one. */
export const credentialTroublesOf = (
  policy: Pick<Policy, "providers">,
  secretOf: (secret: Secret) => string | undefined
): ReadonlyArray<string> => {
  const troubles: Array<string> = []
  for (const [name, { key, keys }] of Object.entries(policy.providers)) {
    const all = keys?.map((one) => one.key) ?? (key === undefined ? [] : [key])
    const unset = all.filter((one) => !secretOf(one)).map(({ env }) => env)
    const what = `${listed(unset)} ${unset.length > 1 ? "are" : "is"} not set`
    if (unset.length > 0)
      troubles.push(
        unset.length === all.length
          ? `${what}, so every call to \`${name}\` will fail`
          : `${what}, so \`${name}\` is called with ${listed(all.flatMap(({ env }) => (unset.includes(env) ? [] : [env])))} alone`
      )
    const holders = new Map<string, string>()
    for (const one of all) {
      const secret = secretOf(one)
      if (!secret) continue
      const other = holders.get(secret)
      if (other === undefined) holders.set(secret, one.env)
      else troubles.push(`${other} and ${one.env} hold one key, so what \`${name}\` refuses the one it refuses the other`)
    }
  }
  return troubles
}

export class Keys extends Context.Service<
  Keys,
  {
    /** How callers of one policy are found. */
    readonly of: (policy: Policy) => Find
  }
>()("turnout/Keys") {
  /** The policy's keys; where it has none every caller is `local`, whatever key an SDK insists on sending. */
  static readonly layer = (secretOf: (secret: Secret) => string | undefined, digest: Digest = portable) =>
    Layer.succeed(Keys, {
      of: (policy) => {
        if (Object.keys(policy.keys).length === 0) return () => local
        const { known } = digests(policy, secretOf, digest)
        return (secret) => {
          if (secret === undefined) return undefined
          const hash = digest(secret)
          const found = known.get(hash)
          return found !== undefined && equal(found.digest, hash) ? found.caller : undefined
        }
      }
    })

  /** The secret is the key's name: for traffic that is not authenticated (simulation, tests). */
  static readonly layerNames = Layer.succeed(Keys, {
    of: (policy) => {
      const callers = callersOf(policy)
      return callers.size === 0 ? () => local : (secret) => (secret === undefined ? undefined : callers.get(secret))
    }
  })
}
