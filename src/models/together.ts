/**
 * What open models do at Together.
 *
 * From docs.together.ai, "Serverless models", as Together's own catalog of 7 October 2026 has it (github.com/togethercomputer/skills): windows, tools and
 * schemas as listed there, images where it lists vision. It has no limits for answers. gpt-oss reads text alone (developers.openai.com, "gpt-oss-120b");
 * gpt-oss-20b from the page of the spring of 2026.
 *
 * Left out: the window of DeepSeek V4.1 Flash (1,000,000 there, 1,048,576 in Together's list of models), and what only its list of models knows.
 */
import { type Capabilities, modelTable } from "../Models.ts"

const able: Capabilities = { tools: true, structuredOutput: true }
const sees: Capabilities = { ...able, vision: true }
const oss: Capabilities = { tools: true, vision: false, audio: false, reasoning: true }

export const togetherModels = modelTable({
  "openai/gpt-oss-20b": { contextWindow: 131_072, ...oss },
  "openai/gpt-oss-120b": { contextWindow: 131_072, ...oss, structuredOutput: true },
  "meta-llama/llama-3.3-70b-instruct-turbo": { contextWindow: 131_072, ...able },
  "qwen/qwen3.5-9b": { contextWindow: 262_144, ...sees, reasoning: true },
  "qwen/qwen3.6-plus": { contextWindow: 1_000_000 },
  "qwen/qwen3.7-plus": { contextWindow: 1_000_000 },
  "qwen/qwen3.8-flash": { contextWindow: 1_000_000 },
  "deepseek-ai/deepseek-v4-flash-0731": { contextWindow: 1_048_576, ...able },
  "deepseek-ai/deepseek-v4-pro-0813": { contextWindow: 1_048_576, ...able },
  "deepseek-ai/deepseek-v4.1-flash": able,
  "moonshotai/kimi-k3": { contextWindow: 1_048_576, ...sees, reasoning: true },
  "minimaxai/minimax-m3": { contextWindow: 524_288, ...sees },
  "thinkingmachines/inkling": { contextWindow: 524_288, ...able },
  "zai-org/glm-5.2": { contextWindow: 1_048_575, ...able },
  "zai-org/glm-5.3": { contextWindow: 1_048_575, ...able },
  "zai-org/glm-5.3-flash": { contextWindow: 1_048_575, ...able },
  "meta-models/muse-glimmer-30b": { contextWindow: 131_072 }
})
