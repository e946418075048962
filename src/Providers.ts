/**
 * The registry: every kind of provider that a policy can name in `dialect`, and how to reach it.
 *
 * An OpenAI-compatible host is one line here. A new dialect is one file under `providers/`, one line here and its fixtures. Provider names appear in
 * this file and in the dialect's own file, nowhere else.
 */
import type { Dialect } from "./Dialect.ts"
import { anthropic } from "./providers/anthropic.ts"
import { openai } from "./providers/openai.ts"

/** A kind of provider. */
export interface Provider {
  readonly dialect: Dialect
  /** Targets of one `speaks` take each other's requests byte for byte. */
  readonly speaks: "openai" | "anthropic"
  /** Where it answers unless the policy says otherwise; absent where there is no usual place. */
  readonly baseUrl?: string
  /** The environment variable in which its key is usually kept; its base URL is looked for in the same name with `_BASE_URL`. */
  readonly env: string
  /** What the provider's own SDK puts behind its base URL, so that the variable's value needs it too. */
  readonly sdkPath?: string
  /** Whether a stream may be asked to report its usage (`stream_options.include_usage`). */
  readonly reportsStreamUsage: boolean
}

const compatible = (env: string, baseUrl?: string): Provider => ({
  dialect: openai,
  speaks: "openai",
  env,
  reportsStreamUsage: true,
  ...(baseUrl === undefined ? {} : { baseUrl })
})

/** Every kind of provider by the name that policies use. */
export const providers = {
  openai: compatible("OPENAI", "https://api.openai.com/v1"),
  anthropic: {
    dialect: anthropic,
    speaks: "anthropic",
    env: "ANTHROPIC",
    baseUrl: "https://api.anthropic.com/v1",
    sdkPath: "/v1",
    reportsStreamUsage: false
  },
  deepseek: compatible("DEEPSEEK", "https://api.deepseek.com/v1"),
  fireworks: compatible("FIREWORKS", "https://api.fireworks.ai/inference/v1"),
  groq: compatible("GROQ", "https://api.groq.com/openai/v1"),
  mistral: compatible("MISTRAL", "https://api.mistral.ai/v1"),
  openrouter: compatible("OPENROUTER", "https://openrouter.ai/api/v1"),
  together: compatible("TOGETHER", "https://api.together.xyz/v1"),
  xai: compatible("XAI", "https://api.x.ai/v1")
} satisfies Record<string, Provider>

export type ProviderKind = keyof typeof providers

/** The names of the registry, in its order. */
export const providerKinds = Object.keys(providers) as ReadonlyArray<ProviderKind>
