/**
 * What open models do at Groq.
 *
 * From console.groq.com, "Supported Models" and the pages of gpt-oss and Qwen, as models.dev and LiteLLM 1.109 read them in November 2026; Llama 4 and Qwen3
 * as models.dev read them in 2025. gpt-oss reads text alone (developers.openai.com, "gpt-oss-120b").
 *
 * Left out where readings differ: the answer's limit of Llama 3.1 8B and of Qwen3 32B, structured outputs of Llama and of Qwen3 32B.
 */
import { type Capabilities, modelTable, sized } from "../Models.ts"

const oss: Capabilities = { vision: false, audio: false, tools: true, structuredOutput: true, reasoning: true }
const qwen: Capabilities = { vision: true, tools: true, structuredOutput: true, reasoning: true }

export const groqModels = modelTable({
  "openai/gpt-oss-20b": sized(131_072, 65_536, oss),
  "openai/gpt-oss-120b": sized(131_072, 65_536, oss),
  "openai/gpt-oss-safeguard-20b": sized(131_072, 65_536, oss),
  "llama-3.1-8b-instant": { contextWindow: 131_072, tools: true },
  "llama-3.3-70b-versatile": sized(131_072, 32_768, { tools: true }),
  "meta-llama/llama-4-scout-17b-16e-instruct": sized(131_072, 8_192, { vision: true, tools: true }),
  "meta-llama/llama-4-maverick-17b-128e-instruct": sized(131_072, 8_192, { vision: true, tools: true }),
  "qwen/qwen3-32b": { contextWindow: 131_072, tools: true, reasoning: true },
  "qwen/qwen3.6-27b": sized(131_072, 16_384, qwen),
  "qwen/qwen3.8-27b": sized(131_072, 16_384, qwen)
})
