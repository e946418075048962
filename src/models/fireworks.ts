/**
 * What open models do at Fireworks.
 *
 * From fireworks.ai, its list of serverless models and the pages of models, as LiteLLM 1.109 and models.dev read them in November 2026, and models.dev in 2025,
 * where none disagrees but in the rounding of a window. gpt-oss reads text alone (developers.openai.com, "gpt-oss-120b").
 *
 * Left out where they differ: all limits of GLM 5.3 and DeepSeek V4.1 Flash, the windows of Llama 4 (131,072 or a million) and DeepSeek V3.1.
 */
import { type Capabilities, modelTable, sized } from "../Models.ts"

const thinks: Capabilities = { tools: true, reasoning: true }
const oss: Capabilities = { ...thinks, vision: false, audio: false }
const at = "accounts/fireworks/models/"

const models: Readonly<Record<string, Capabilities>> = {
  "gpt-oss-20b": sized(131_072, 32_768, oss),
  "gpt-oss-120b": sized(131_072, 32_768, oss),
  "llama-v3p1-8b-instruct": { contextWindow: 131_072 },
  "llama-v3p1-70b-instruct": { contextWindow: 131_072 },
  "llama-v3p1-405b-instruct": { contextWindow: 131_072 },
  "llama-v3p3-70b-instruct": { contextWindow: 131_072 },
  "qwen3-235b-a22b": { contextWindow: 131_072, ...thinks },
  "qwen3-coder-480b-a35b-instruct": { contextWindow: 262_144, tools: true },
  "qwen3p8-max": { contextWindow: 262_144, ...thinks, vision: true },
  "deepseek-r1-0528": { contextWindow: 163_840, ...thinks },
  "deepseek-v3-0324": { contextWindow: 163_840, tools: true },
  "deepseek-v3p2": { contextWindow: 163_840 },
  "deepseek-v4-pro": { contextWindow: 1_048_576, ...thinks },
  "deepseek-v4p1-flash": { ...thinks, vision: true, structuredOutput: true },
  "glm-5p3": { ...thinks, structuredOutput: true },
  "kimi-k3": sized(1_048_576, 131_072, { ...thinks, vision: true, structuredOutput: true })
}

export const fireworksModels = modelTable(Object.fromEntries(Object.entries(models).map(([name, known]) => [at + name, known])))
