/**
 * The gateway without a policy: every provider whose usual key is in the environment, each open, addressed as `provider/model`.
 *
 * This is a policy like any other, and is printed as one, so that it can be saved and grown.
 */
import type { PolicyEncoded, ProviderSpec } from "../src/Policy.ts"
import { keyedKinds, type Provider, type ProviderKind, providerKinds, providers } from "../src/Providers.ts"

type Environment = Readonly<Record<string, string | undefined>>

/** Whether a key is all that a kind of provider needs, an address apart that the environment may hold too. */
const isReached = (kind: ProviderKind, environment: Environment): boolean => {
  const { baseUrl, env }: Provider = providers[kind]
  return keyedKinds.includes(kind) || (baseUrl === undefined && Boolean(environment[`${env}_BASE_URL`]))
}

/** The policy that `environment` amounts to; undefined where it holds no provider's key. */
export const policyFrom = (environment: Environment): PolicyEncoded | undefined => {
  const found: Record<string, { -readonly [K in keyof (typeof ProviderSpec)["Encoded"]]: (typeof ProviderSpec)["Encoded"][K] }> = {}
  for (const kind of providerKinds) {
    const provider: Provider = providers[kind]
    const [key, url] = [`${provider.env}_API_KEY`, `${provider.env}_BASE_URL`]
    if (!environment[key] || !isReached(kind, environment)) continue
    found[kind] = {
      dialect: kind,
      key: { env: key },
      open: true,
      ...(environment[url] ? { baseUrl: baseUrl(provider, environment[url]) } : {})
    }
  }
  if (Object.keys(found).length === 0) return undefined
  return { name: "environment", providers: found, targets: {}, routes: [{ name: "asked", to: { _tag: "Asked" } }] }
}

const baseUrl = ({ sdkPath = "" }: Provider, url: string): string => {
  const trimmed = url.replace(/\/+$/, "")
  return trimmed.endsWith(sdkPath) ? trimmed : trimmed + sdkPath
}

/** The environment variables that were looked for. */
export const lookedFor = (): ReadonlyArray<string> => keyedKinds.map((kind) => `${providers[kind].env}_API_KEY`)

/** The policy's source, as a file that can be saved and served. */
export const sourceOf = (policy: PolicyEncoded): string => {
  const lines = Object.entries(policy.providers).map(([name, { baseUrl, dialect, key }]) => {
    const fields = [
      `dialect: ${JSON.stringify(dialect)}`,
      ...(baseUrl === undefined ? [] : [`baseUrl: ${JSON.stringify(baseUrl)}`]),
      ...(key === undefined ? [] : [`key: env(${JSON.stringify(key.env)})`]),
      "open: true"
    ]
    return `    ${name}: { ${fields.join(", ")} }`
  })
  return `import { env, policy } from "turnout"

export default policy({
  name: ${JSON.stringify(policy.name)},
  providers: {
${lines.join(",\n")}
  },
  targets: {},
  routes: ({ asked }) => [{ name: "asked", to: asked() }]
})
`
}
