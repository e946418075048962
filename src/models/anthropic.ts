/**
 * What the generations of Claude do at the Messages API.
 *
 * From platform.claude.com, "Models overview" and the page of each model from Sonnet 4.5 on, "Structured outputs" (Opus 4.5, Sonnet 4.5 and Haiku 4.5 on),
 * "PDF support" (all active models), "OpenAI SDK compatibility" (no audio), as stored in November 2026. Older models from the same pages of 2025, where
 * LiteLLM and models.dev agree.
 *
 * Left out: the answer's limit of 3.7 (64K, or 128K with a beta header), structured outputs of Opus 4.1 (in the beta, not in the release), all of Mythos and
 * of Fable 5.2, whose pages are not at hand. The window of a million that Sonnet 4 and 4.5 had behind a beta header is gone from their pages.
 */
import { type Capabilities, modelTable, plainDate, sized } from "../Models.ts"

const claude: Capabilities = { vision: true, audio: false, tools: true }
const reads: Capabilities = { ...claude, files: true }
const thinks: Capabilities = { ...reads, reasoning: true }
const current: Capabilities = { ...thinks, structuredOutput: true }

export const anthropicModels = modelTable(
  {
    "claude-3-haiku": sized(200_000, 4_096, claude),
    "claude-3-sonnet": sized(200_000, 4_096, claude),
    "claude-3-opus": sized(200_000, 4_096, claude),
    "claude-3-5-haiku": sized(200_000, 8_192, reads),
    "claude-3-5-sonnet": sized(200_000, 8_192, reads),
    "claude-3-7-sonnet": { contextWindow: 200_000, ...thinks },
    "claude-sonnet-4": sized(200_000, 64_000, thinks),
    "claude-sonnet-4-0": sized(200_000, 64_000, thinks),
    "claude-opus-4": sized(200_000, 32_000, thinks),
    "claude-opus-4-0": sized(200_000, 32_000, thinks),
    "claude-opus-4-1": sized(200_000, 32_000, thinks),
    "claude-haiku-4-5": sized(200_000, 64_000, current),
    "claude-sonnet-4-5": sized(200_000, 64_000, current),
    "claude-opus-4-5": sized(200_000, 64_000, current),
    "claude-sonnet-4-6": sized(1_000_000, 128_000, current),
    "claude-opus-4-6": sized(1_000_000, 128_000, current),
    "claude-opus-4-7": sized(1_000_000, 128_000, current),
    "claude-opus-4-8": sized(1_000_000, 128_000, current),
    "claude-sonnet-5": sized(1_000_000, 128_000, current),
    "claude-opus-5": sized(1_000_000, 128_000, current),
    "claude-fable-5": sized(1_000_000, 128_000, current),
    "claude-fable-5-1": sized(1_000_000, 128_000, current),
    "claude-haiku-5-5": sized(1_000_000, 128_000, current),
    "claude-sonnet-5-5": sized(1_000_000, 128_000, current),
    "claude-opus-5-5": sized(1_000_000, 128_000, current)
  },
  new RegExp(`${plainDate.source}|-latest$`)
)
