/**
 * The registry: every kind of provider that a policy can name in `dialect`, and how to reach it.
 *
 * An OpenAI-compatible host is one line here. A new dialect is one file under `providers/`, one line here and its fixtures. What models do is a table under
 * `models/`. Provider names appear in this file and in their own files there, nowhere else.
 */
import type { Dialect } from "./Dialect.ts"
import type { ModelTable } from "./Models.ts"
import type { VendorClass } from "./Policy.ts"
import { anthropicModels } from "./models/anthropic.ts"
import { deepseekModels } from "./models/deepseek.ts"
import { fireworksModels } from "./models/fireworks.ts"
import { groqModels } from "./models/groq.ts"
import { mistralModels } from "./models/mistral.ts"
import { openaiModels } from "./models/openai.ts"
import { openrouterModels } from "./models/openrouter.ts"
import { togetherModels } from "./models/together.ts"
import { xaiModels } from "./models/xai.ts"
import { anthropic } from "./providers/anthropic.ts"
import { openai } from "./providers/openai.ts"

/** The most tokens that a provider puts around what a request says, and bills as its input. */
export interface Added {
  /** Around every request: the marks at its beginning and end, a prompt of the provider's own. */
  readonly request: number
  /** Around each message: its role and its marks. */
  readonly message: number
  /** Where there are tools: the prompt that explains their use. */
  readonly tools: number
  /** Where there is a format: the prompt that demands it. */
  readonly format: number
}

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
  /** The field in which a forwarded request names the most tokens that its answer may have. */
  readonly maxTokensField: "max_completion_tokens" | "max_tokens"
  /** Its id in the catalog of list prices (`Catalog.ts`). */
  readonly catalog?: string
  readonly adds: Added
  /** What its models are known to do, by their names. */
  readonly models?: ModelTable
  /** Models that a new policy begins with, a small one and where there is a larger one that too: their prices and limits are known. */
  readonly starts: readonly [small: string, large?: string]
  /** What it is to the models that it serves. */
  readonly vendor: Exclude<VendorClass, "own">
  /** The most tokens that an image can count for a model; undefined, or absent for all of them, where no maximum is documented. */
  readonly imageTokens?: (model: string) => number | undefined
}

/**
 * What OpenAI adds. Documented: 3 tokens a message, 1 a name, 3 a request, some 12 around all functions (cookbook.openai.com, "How to count tokens with
 * tiktoken"). Recorded: no request of text alone counts more than 5 tokens above its bytes.
 */
const openaiAdds: Added = { request: 64, message: 16, tools: 64, format: 64 }

/**
 * What Anthropic adds. Documented for tools: 804 tokens at most, for Opus 4.7 and a tool that must be called (platform.claude.com, "Tool use with Claude").
 * A format's prompt has no documented length ("Structured outputs" says only that there is one).
 */
const anthropicAdds: Added = { request: 64, message: 16, tools: 1_024, format: 512 }

/**
 * What hosts of many models add, and every other address of a dialect: Claude's prompt for tools where the model is Claude, else that of its template (Llama 4: some 300), gpt-oss's own prompt of
 * 60 to 75, the date of Llama 3, a guard's text. Recorded figures but for the first: they are documented nowhere.
 */
export const hostAdds: Added = { request: 256, message: 16, tools: 1_024, format: 512 }

/** xAI's prompt comes before every request and is billed ("Consumption and Rate Limits"); how long it is it does not say. */
const xaiAdds: Added = { ...hostAdds, request: 1_024 }

/**
 * The most tokens of an image at OpenAI, by model (developers.openai.com, "Images and vision"): a base and 8 tiles, or a budget of patches times the highest
 * factor, 2.46. From GPT-5.6 on an image keeps its size, so that there is no maximum and a policy has to declare one.
 */
const openaiImages: ReadonlyArray<readonly [RegExp, number]> = [
  [/^gpt-4o-mini/, 2_833 + 8 * 5_667],
  [/^(?:gpt-4\.1|gpt-5|gpt-5\.4)-(?:mini|nano)|^o4-mini|^gpt-5\.2/, 3_779],
  [/^gpt-5\.[45]/, 24_600],
  [/^(?:gpt-4o|chatgpt-4o|gpt-4\.1|gpt-4\.5|gpt-5(?:-\d|-chat|$)|o1|o3)/, 85 + 8 * 170]
]

const compatible = (
  catalog: string,
  env: string,
  starts: Provider["starts"],
  baseUrl?: string,
  maxTokensField: Provider["maxTokensField"] = "max_tokens",
  adds: Added = hostAdds,
  vendor: Provider["vendor"] = "maker"
): Provider => ({
  dialect: openai,
  speaks: "openai",
  env,
  reportsStreamUsage: true,
  maxTokensField,
  catalog,
  starts,
  adds,
  vendor,
  ...(baseUrl === undefined ? {} : { baseUrl })
})

/** Every kind of provider by the name that policies use. */
export const providers = {
  openai: {
    ...compatible("openai", "OPENAI", ["gpt-5.4-mini", "gpt-5.4"], "https://api.openai.com/v1", "max_completion_tokens", openaiAdds),
    models: openaiModels,
    imageTokens: (model) => openaiImages.find(([models]) => models.test(model))?.[1]
  },
  anthropic: {
    dialect: anthropic,
    speaks: "anthropic",
    env: "ANTHROPIC",
    baseUrl: "https://api.anthropic.com/v1",
    sdkPath: "/v1",
    reportsStreamUsage: false,
    maxTokensField: "max_tokens",
    catalog: "anthropic",
    starts: ["claude-haiku-4-5", "claude-sonnet-5"],
    adds: anthropicAdds,
    vendor: "maker",
    models: anthropicModels,
    // The models of the highest resolution; others stop at 1,568 (platform.claude.com, "Vision", "Evaluate image size").
    imageTokens: () => 4_784
  },
  deepseek: {
    ...compatible("deepseek", "DEEPSEEK", ["deepseek-v4-flash", "deepseek-v4-pro"], "https://api.deepseek.com/v1"),
    models: deepseekModels
  },
  fireworks: {
    ...compatible(
      "fireworks",
      "FIREWORKS",
      ["accounts/fireworks/models/gpt-oss-20b", "accounts/fireworks/models/gpt-oss-120b"],
      "https://api.fireworks.ai/inference/v1",
      "max_tokens",
      hostAdds,
      "host"
    ),
    models: fireworksModels
  },
  groq: {
    ...compatible(
      "groq",
      "GROQ",
      ["openai/gpt-oss-20b", "openai/gpt-oss-120b"],
      "https://api.groq.com/openai/v1",
      "max_completion_tokens",
      hostAdds,
      "host"
    ),
    models: groqModels
  },
  mistral: {
    ...compatible("mistral", "MISTRAL", ["mistral-small-2603", "mistral-large-2512"], "https://api.mistral.ai/v1"),
    models: mistralModels
  },
  openrouter: {
    ...compatible(
      "openrouter",
      "OPENROUTER",
      ["openai/gpt-5.4-mini", "anthropic/claude-sonnet-5"],
      "https://openrouter.ai/api/v1",
      "max_tokens",
      hostAdds,
      "router"
    ),
    models: openrouterModels
  },
  together: {
    ...compatible(
      "together",
      "TOGETHER",
      ["meta-llama/llama-3.3-70b-instruct-turbo"],
      "https://api.together.xyz/v1",
      "max_tokens",
      hostAdds,
      "host"
    ),
    models: togetherModels
  },
  xai: {
    ...compatible("x-ai", "XAI", ["grok-4.20", "grok-4.5"], "https://api.x.ai/v1", "max_completion_tokens", xaiAdds),
    models: xaiModels
  }
} satisfies Record<string, Provider>

export type ProviderKind = keyof typeof providers

/** The names of the registry, in its order. */
export const providerKinds = Object.keys(providers) as ReadonlyArray<ProviderKind>
