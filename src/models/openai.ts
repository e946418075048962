/**
 * What OpenAI's models do at Chat Completions.
 *
 * From developers.openai.com, "Models" (GPT-6.1 Terra, gpt-oss) and "File inputs" (models that see also read PDF), as stored in November 2026; limits and
 * features of GPT-4 Turbo to GPT-5.5 from learn.microsoft.com, "Foundry Models sold by Azure", of June 2026, which lists the same models; the rest where
 * models.dev and LiteLLM 1.109, both of November 2026, agree on a reading of OpenAI's pages. Structured outputs begin with GPT-4o mini and gpt-4o-2024-08-06.
 *
 * - Tools from GPT-5.6 on are left out: Chat Completions refuses them together with an effort ("Tool calling requires the Responses API"). GPT-5.4 and 5.5 do
 *   so only where a request names an effort.
 * - Not here: what answers at the Responses API only (`-pro`, `-codex`, deep research), and the wandering `chat-latest`.
 * - `-chat-latest` is another model than its stem, so that `-latest` makes no snapshot.
 */
import { type Capabilities, dashedDate, modelTable, sized } from "../Models.ts"

const chat: Capabilities = { vision: true, files: true, tools: true, structuredOutput: true }
const reasoning: Capabilities = { ...chat, reasoning: true }
/** From GPT-5.6 on. */
const toolsElsewhere: Capabilities = { vision: true, files: true, structuredOutput: true, reasoning: true }
/** Before structured outputs. */
const early: Capabilities = { tools: true, structuredOutput: false }
const audio: Capabilities = { audio: true, tools: true }
const instant: Capabilities = { vision: true }

export const openaiModels = modelTable(
  {
    "gpt-3.5-turbo": sized(16_385, 4_096, { vision: false, structuredOutput: false }),
    "gpt-3.5-turbo-0125": sized(16_385, 4_096, { vision: false, structuredOutput: false }),
    "gpt-3.5-turbo-1106": sized(16_385, 4_096, { vision: false, structuredOutput: false }),
    "gpt-4": { contextWindow: 8_192, ...early },
    "gpt-4-0613": { contextWindow: 8_192, ...early },
    "gpt-4-1106-preview": sized(128_000, 4_096, early),
    "gpt-4-0125-preview": sized(128_000, 4_096, early),
    "gpt-4-turbo-preview": sized(128_000, 4_096, early),
    "gpt-4-turbo": sized(128_000, 4_096, { ...early, vision: true }),
    "gpt-4o-2024-05-13": sized(128_000, 4_096, { ...early, vision: true }),
    "gpt-4o": sized(128_000, 16_384, chat),
    "gpt-4o-mini": sized(128_000, 16_384, chat),
    "chatgpt-4o-latest": sized(128_000, 16_384, instant),
    "gpt-4o-audio-preview": sized(128_000, 16_384, audio),
    "gpt-4o-mini-audio-preview": sized(128_000, 16_384, audio),
    "gpt-audio": sized(128_000, 16_384, audio),
    "gpt-audio-1.5": sized(128_000, 16_384, audio),
    "gpt-audio-mini": sized(128_000, 16_384, audio),
    "gpt-4.1": sized(1_047_576, 32_768, chat),
    "gpt-4.1-mini": sized(1_047_576, 32_768, chat),
    "gpt-4.1-nano": sized(1_047_576, 32_768, chat),
    "o1-preview": sized(128_000, 32_768, { tools: false, structuredOutput: false, reasoning: true }),
    "o1-mini": sized(128_000, 65_536, { tools: false, structuredOutput: false, reasoning: true }),
    o1: sized(200_000, 100_000, reasoning),
    "o3-mini": sized(200_000, 100_000, { vision: false, tools: true, structuredOutput: true, reasoning: true }),
    o3: sized(200_000, 100_000, reasoning),
    "o4-mini": sized(200_000, 100_000, reasoning),
    "gpt-5": sized(400_000, 128_000, reasoning),
    "gpt-5-mini": sized(400_000, 128_000, reasoning),
    "gpt-5-nano": sized(400_000, 128_000, reasoning),
    "gpt-5-chat-latest": sized(128_000, 16_384, instant),
    "gpt-5.1": sized(400_000, 128_000, reasoning),
    "gpt-5.1-chat-latest": sized(128_000, 16_384, { ...instant, tools: true, structuredOutput: true }),
    "gpt-5.2": sized(400_000, 128_000, reasoning),
    "gpt-5.2-chat-latest": sized(128_000, 16_384, { ...instant, tools: true, structuredOutput: true }),
    "gpt-5.3-chat-latest": sized(128_000, 16_384, { ...instant, tools: true, structuredOutput: true }),
    "gpt-5.4": sized(1_050_000, 128_000, reasoning),
    "gpt-5.4-mini": sized(400_000, 128_000, reasoning),
    "gpt-5.4-nano": sized(400_000, 128_000, reasoning),
    "gpt-5.5": sized(1_050_000, 128_000, reasoning),
    "gpt-5.6": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-5.6-sol": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-5.6-terra": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-5.6-luna": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-6-astra": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-6-sol": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-6-luna": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-6.1-sol": sized(1_050_000, 128_000, toolsElsewhere),
    "gpt-6.1-terra": sized(1_050_000, 128_000, { ...toolsElsewhere, audio: false })
  },
  dashedDate
)
