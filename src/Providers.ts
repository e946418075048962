/**
 * The registry: every kind of provider that a policy can name in `dialect`, and how to reach it.
 *
 * An OpenAI-compatible host is one line here. A new dialect is one file under `providers/`, one line here and its fixtures. What models do is a table under
 * `models/`. Provider names appear in this file and in their own files there, nowhere else.
 */
import type { Dialect } from "./Dialect.ts"
import type { ModelTable } from "./Models.ts"
import type { Auth, VendorClass } from "./Policy.ts"
import { anthropicModels } from "./models/anthropic.ts"
import { deepseekModels } from "./models/deepseek.ts"
import { fireworksModels } from "./models/fireworks.ts"
import { googleModels } from "./models/google.ts"
import { groqModels } from "./models/groq.ts"
import { mistralModels } from "./models/mistral.ts"
import { openaiModels } from "./models/openai.ts"
import { openrouterModels } from "./models/openrouter.ts"
import { togetherModels } from "./models/together.ts"
import { xaiModels } from "./models/xai.ts"
import { anthropic } from "./providers/anthropic.ts"
import { azureAddress, azureHosts, azurePath, isAzurePublic } from "./providers/azure.ts"
import { gemini } from "./providers/gemini.ts"
import { openai } from "./providers/openai.ts"
import { responses } from "./providers/responses.ts"
import { isGlobal, vertex, vertexAddress, vertexBase, vertexHosts } from "./providers/vertex.ts"

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

export { type DialectName, dialectNames } from "./Dialect.ts"

/** Whom tokens are got from. */
export const tokenKinds = { entra: "Microsoft Entra ID", google: "Google Cloud" } as const

/** A target as far as the path of its requests depends on it. */
export interface Placed {
  readonly deployment: string
  /** As the policy says; undefined where it says nothing. */
  readonly apiVersion: string | undefined
}

/** A kind of provider. */
export interface Provider {
  /**
   * What it speaks at its own address. A caller of one of them is forwarded to it; for any other the first that carries the request whole is taken, or where none does the one
   * that loses least.
   */
  readonly dialects: readonly [Dialect, ...ReadonlyArray<Dialect>]
  /** What can be expected of a copy of it at another address, unless the policy says more; absent where that is the same. */
  readonly elsewhere?: readonly [Dialect, ...ReadonlyArray<Dialect>]
  /** The headers that carry a key or token. Names in lower case. */
  readonly credential: (secret: string) => Readonly<Record<string, string>>
  /** How a token is got where a policy may give one for a key, by the tag of `auth`; absent where only keys are taken. Tokens are bearer tokens everywhere. */
  readonly tokens?: keyof typeof tokenKinds
  /** What is taken where a policy gives neither a key nor `auth`. */
  readonly usualAuth?: Auth
  /** Whether a key is of no use to it, as to a server on one's own machine. */
  readonly keyless?: boolean
  /** Whether its API has dated versions. */
  readonly dated?: boolean
  /** Where the path of a dialect lies behind the base URL, where that is not directly behind it. */
  readonly place?: (path: string, target: Placed) => string
  /** Whether tool calls have ids of their own; absent is yes. */
  readonly callIds?: boolean
  /** How many letters and digits an id of a tool call must have, where nothing else is taken. */
  readonly callIdLength?: number
  /** Where it answers unless the policy says otherwise, with `{region}` and `{project}` where these are parts of it; absent where there is no usual place. */
  readonly baseUrl?: string
  /** An address of it, for authors who have to say theirs. */
  readonly example?: string
  /** The hosts that are its own, where there is more than the one of `baseUrl`. */
  readonly hosts?: RegExp
  /** What an address as the policy or `baseUrl` spells it comes to; absent where that is the address. */
  readonly address?: (baseUrl: string) => string
  /** Whether what serves a model goes by a name that its account has given it, so that only the policy's `model` says which model that is. */
  readonly deploys?: boolean
  /** The environment variable in which its key is usually kept; its base URL is looked for in the same name with `_BASE_URL`. */
  readonly env: string
  /** What the provider's own SDK puts behind its base URL, so that the variable's value needs it too. */
  readonly sdkPath?: string
  /** Whether a stream may be asked to report its usage (`stream_options.include_usage`). */
  readonly reportsStreamUsage: boolean
  /** The field in which a forwarded request names the most tokens that its answer may have. */
  readonly maxTokensField: "max_completion_tokens" | "max_tokens"
  /** Its id in the catalog of list prices (`Catalog.ts`); absent where it has none. */
  readonly catalog?: string
  /** At which of its addresses the list prices hold; absent where at all. */
  readonly listed?: (address: string) => boolean
  readonly adds: Added
  /** What its models are known to do, by their names. */
  readonly models?: ModelTable
  /**
   * Models that a new policy begins with, a small one and where there is a larger one that too: their prices and limits are known. Absent where none are, or where a key is not
   * all that it takes to begin.
   */
  readonly starts?: readonly [small: string, large?: string]
  /** What it is to the models that it serves. */
  readonly vendor: VendorClass
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

const openaiImageTokens: Provider["imageTokens"] = (model) => openaiImages.find(([models]) => models.test(model))?.[1]

/** A key or token as most APIs take it. */
export const bearer: Provider["credential"] = (secret) => ({ authorization: `Bearer ${secret}` })

/** An OpenAI-compatible API, with what its documentation says more of it. */
const compatible = (env: string, baseUrl: string, vendor: VendorClass, more: Partial<Provider> = {}): Provider => ({
  dialects: [openai],
  credential: bearer,
  env,
  baseUrl,
  reportsStreamUsage: true,
  maxTokensField: "max_tokens",
  adds: hostAdds,
  vendor,
  ...more
})

/** What hosts of both of OpenAI's APIs say more. A copy elsewhere is expected to have the older one alone. */
const both: Partial<Provider> = { dialects: [openai, responses], elsewhere: [openai] }

/** What servers on one's own machine say more. */
const local: Partial<Provider> = { dialects: [openai, responses], keyless: true }

/** The key of Google's APIs. */
const googleKey: Provider["credential"] = (key) => ({ "x-goog-api-key": key })

/** Every kind of provider by the name that policies use. */
export const providers = {
  openai: {
    ...compatible("OPENAI", "https://api.openai.com/v1", "maker"),
    dialects: [responses, openai],
    elsewhere: [openai],
    maxTokensField: "max_completion_tokens",
    catalog: "openai",
    starts: ["gpt-5.4-mini", "gpt-5.4"],
    adds: openaiAdds,
    models: openaiModels,
    imageTokens: openaiImageTokens
  },
  anthropic: {
    dialects: [anthropic],
    credential: (key) => ({ "x-api-key": key }),
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
  azure: {
    dialects: [responses, openai],
    credential: (key) => ({ "api-key": key }),
    tokens: "entra",
    dated: true,
    place: azurePath,
    example: "https://RESOURCE.openai.azure.com",
    hosts: azureHosts,
    address: azureAddress,
    deploys: true,
    env: "AZURE_OPENAI",
    reportsStreamUsage: true,
    maxTokensField: "max_completion_tokens",
    catalog: "azure",
    listed: isAzurePublic,
    // It serves models of many makers.
    adds: hostAdds,
    vendor: "cloud",
    models: openaiModels,
    imageTokens: openaiImageTokens
  },
  gemini: {
    dialects: [gemini],
    credential: googleKey,
    env: "GEMINI",
    baseUrl: "https://generativelanguage.googleapis.com/v1beta",
    reportsStreamUsage: false,
    maxTokensField: "max_tokens",
    catalog: "google",
    starts: ["gemini-3.5-flash-lite", "gemini-3.8-flash"],
    adds: hostAdds,
    vendor: "maker",
    models: googleModels
  },
  vertex: {
    dialects: [vertex],
    credential: googleKey,
    tokens: "google",
    usualAuth: { google: {} },
    hosts: vertexHosts,
    address: vertexAddress,
    env: "VERTEX",
    baseUrl: vertexBase,
    reportsStreamUsage: false,
    maxTokensField: "max_tokens",
    catalog: "google",
    listed: isGlobal,
    adds: hostAdds,
    vendor: "cloud",
    models: googleModels
  },
  deepseek: {
    ...compatible("DEEPSEEK", "https://api.deepseek.com/v1", "maker"),
    catalog: "deepseek",
    starts: ["deepseek-v4-flash", "deepseek-v4-pro"],
    models: deepseekModels
  },
  fireworks: {
    ...compatible("FIREWORKS", "https://api.fireworks.ai/inference/v1", "host", both),
    catalog: "fireworks",
    starts: ["accounts/fireworks/models/gpt-oss-20b", "accounts/fireworks/models/gpt-oss-120b"],
    models: fireworksModels
  },
  groq: {
    ...compatible("GROQ", "https://api.groq.com/openai/v1", "host", both),
    maxTokensField: "max_completion_tokens",
    catalog: "groq",
    starts: ["openai/gpt-oss-20b", "openai/gpt-oss-120b"],
    models: groqModels
  },
  mistral: {
    ...compatible("MISTRAL", "https://api.mistral.ai/v1", "maker"),
    catalog: "mistral",
    starts: ["mistral-small-2603", "mistral-large-2512"],
    // Its refusal says so: "must be a-z, A-Z, 0-9, with a length of 9".
    callIdLength: 9,
    models: mistralModels
  },
  openrouter: {
    ...compatible("OPENROUTER", "https://openrouter.ai/api/v1", "router", both),
    catalog: "openrouter",
    starts: ["openai/gpt-5.4-mini", "anthropic/claude-sonnet-5"],
    models: openrouterModels
  },
  together: {
    ...compatible("TOGETHER", "https://api.together.xyz/v1", "host"),
    catalog: "together",
    starts: ["meta-llama/llama-3.3-70b-instruct-turbo"],
    models: togetherModels
  },
  xai: {
    ...compatible("XAI", "https://api.x.ai/v1", "maker", both),
    maxTokensField: "max_completion_tokens",
    catalog: "x-ai",
    starts: ["grok-4.20", "grok-4.5"],
    adds: xaiAdds,
    models: xaiModels
  },
  cerebras: compatible("CEREBRAS", "https://api.cerebras.ai/v1", "host", { catalog: "cerebras" }),
  cohere: compatible("COHERE", "https://api.cohere.ai/compatibility/v1", "maker", { catalog: "cohere" }),
  huggingface: compatible("HUGGINGFACE", "https://router.huggingface.co/v1", "router", both),
  moonshot: compatible("MOONSHOT", "https://api.moonshot.ai/v1", "maker", { ...both, catalog: "moonshotai" }),
  nvidia: compatible("NVIDIA", "https://integrate.api.nvidia.com/v1", "host"),
  perplexity: compatible("PERPLEXITY", "https://api.perplexity.ai", "maker", { catalog: "perplexity" }),
  sambanova: compatible("SAMBANOVA", "https://api.sambanova.ai/v1", "host"),
  vercel: compatible("AI_GATEWAY", "https://ai-gateway.vercel.sh/v1", "router"),
  zai: compatible("ZAI", "https://api.z.ai/api/paas/v4", "maker", { catalog: "zai" }),
  // On one's own machine, where nobody sends a bill and nobody asks for a key.
  lmstudio: compatible("LMSTUDIO", "http://localhost:1234/v1", "own", local),
  ollama: compatible("OLLAMA", "http://localhost:11434/v1", "own", local),
  vllm: compatible("VLLM", "http://localhost:8000/v1", "own", local)
} satisfies Record<string, Provider>

export type ProviderKind = keyof typeof providers

/** The names of the registry, in its order. */
export const providerKinds = Object.keys(providers) as ReadonlyArray<ProviderKind>

/** The kinds that a key is enough to reach: their address is known, and depends on nothing else. */
export const keyedKinds: ReadonlyArray<ProviderKind> = providerKinds.filter((kind) => {
  const { baseUrl, keyless }: Provider = providers[kind]
  return baseUrl !== undefined && !baseUrl.includes("{") && keyless !== true
})

/** The kinds that a new policy can begin with. */
export const startingKinds: ReadonlyArray<ProviderKind> = keyedKinds.filter((kind) => (providers[kind] as Provider).starts !== undefined)
