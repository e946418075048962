/**
 * What models do at OpenRouter, by its names.
 *
 * From openrouter.ai, its list of models as models.dev had it in November 2026, and only where a limit is the vendor's own: OpenAI's, Anthropic's and xAI's
 * by their tables beside this one, Google's as models.dev reads its pages. Of open models, which many hosts answer with limits of their own, only a window
 * on which the list and the vendor agree. Nothing is a lack here: the router reads files for models that cannot, and picks among hosts by what a request needs.
 *
 * Left out: the windows of Claude Sonnet 4.5 and Grok 4.20 (the list has more than the vendor), of Llama 4 and DeepSeek; what a variant (`:free`) or a
 * wandering `~…-latest` stands for.
 */
import { type Capabilities, modelTable, plainDate, sized } from "../Models.ts"

const chat: Capabilities = { vision: true, tools: true, structuredOutput: true }
const thinks: Capabilities = { ...chat, reasoning: true }
const gemini: Capabilities = { ...thinks, audio: true, files: true }
const k128 = 131_072

export const openrouterModels = modelTable(
  {
    "openai/gpt-4-turbo": sized(128_000, 4_096, { vision: true, tools: true }),
    "openai/gpt-4o": sized(128_000, 16_384, chat),
    "openai/gpt-4o-2024-08-06": sized(128_000, 16_384, chat),
    "openai/gpt-4o-2024-11-20": sized(128_000, 16_384, chat),
    "openai/gpt-4o-mini": sized(128_000, 16_384, chat),
    "openai/gpt-4o-mini-2024-07-18": sized(128_000, 16_384, chat),
    "openai/gpt-4.1": sized(1_047_576, 32_768, chat),
    "openai/gpt-4.1-mini": sized(1_047_576, 32_768, chat),
    "openai/gpt-4.1-nano": sized(1_047_576, 32_768, chat),
    "openai/o1": sized(200_000, 100_000, thinks),
    "openai/o3-mini": sized(200_000, 100_000, { tools: true, structuredOutput: true, reasoning: true }),
    "openai/o3": sized(200_000, 100_000, thinks),
    "openai/o4-mini": sized(200_000, 100_000, thinks),
    "openai/gpt-5": sized(400_000, 128_000, thinks),
    "openai/gpt-5-mini": sized(400_000, 128_000, thinks),
    "openai/gpt-5-nano": sized(400_000, 128_000, thinks),
    "openai/gpt-5.1": sized(400_000, 128_000, thinks),
    "openai/gpt-5.2": sized(400_000, 128_000, thinks),
    "openai/gpt-5.4": sized(1_050_000, 128_000, thinks),
    "openai/gpt-5.4-mini": sized(400_000, 128_000, thinks),
    "openai/gpt-5.4-nano": sized(400_000, 128_000, thinks),
    "openai/gpt-5.5": sized(1_050_000, 128_000, thinks),
    "openai/gpt-5.6-sol": sized(1_050_000, 128_000, thinks),
    "openai/gpt-5.6-terra": sized(1_050_000, 128_000, thinks),
    "openai/gpt-5.6-luna": sized(1_050_000, 128_000, thinks),
    "openai/gpt-6-astra": sized(1_050_000, 128_000, thinks),
    "openai/gpt-6-sol": sized(1_050_000, 128_000, thinks),
    "openai/gpt-6-luna": sized(1_050_000, 128_000, thinks),
    "openai/gpt-6.1-sol": sized(1_050_000, 128_000, thinks),
    "openai/gpt-oss-20b": { contextWindow: k128, tools: true, structuredOutput: true, reasoning: true },
    "openai/gpt-oss-120b": { contextWindow: k128, tools: true, structuredOutput: true, reasoning: true },
    "anthropic/claude-sonnet-4": sized(200_000, 64_000, { vision: true, tools: true, reasoning: true }),
    "anthropic/claude-opus-4.1": sized(200_000, 32_000, { vision: true, tools: true, reasoning: true }),
    "anthropic/claude-haiku-4.5": sized(200_000, 64_000, thinks),
    "anthropic/claude-sonnet-4.5": { maxOutputTokens: 64_000, ...thinks },
    "anthropic/claude-opus-4.5": sized(200_000, 64_000, thinks),
    "anthropic/claude-sonnet-4.6": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-opus-4.6": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-opus-4.7": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-opus-4.8": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-sonnet-5": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-opus-5": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-fable-5": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-fable-5.1": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-sonnet-5.5": sized(1_000_000, 128_000, thinks),
    "anthropic/claude-opus-5.5": sized(1_000_000, 128_000, thinks),
    "google/gemini-2.5-pro": sized(1_048_576, 65_536, gemini),
    "google/gemini-2.5-flash": { contextWindow: 1_048_576, ...gemini },
    "google/gemini-2.5-flash-lite": { contextWindow: 1_048_576, ...gemini },
    "google/gemini-3-flash-preview": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.1-pro-preview": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.1-flash-lite": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.5-flash": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.5-flash-lite": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.6-flash": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.7-flash": sized(1_048_576, 65_536, gemini),
    "google/gemini-3.8-flash": sized(1_048_576, 65_536, gemini),
    "x-ai/grok-4.20": thinks,
    "x-ai/grok-4.3": { contextWindow: 1_000_000, ...thinks },
    "x-ai/grok-4.5": { contextWindow: 500_000, ...thinks },
    "x-ai/grok-4.6": { contextWindow: 500_000, ...thinks },
    "x-ai/grok-4.7": { contextWindow: 500_000, ...thinks },
    "mistralai/mistral-large-2512": { contextWindow: 262_144, ...chat },
    "mistralai/mistral-medium-3-5": { contextWindow: 262_144, ...thinks },
    "mistralai/mistral-small-2603": { contextWindow: 262_144, ...thinks },
    "meta-llama/llama-3.1-8b-instruct": { contextWindow: k128, tools: true },
    "meta-llama/llama-3.1-70b-instruct": { contextWindow: k128, tools: true },
    "meta-llama/llama-3.3-70b-instruct": { contextWindow: k128, tools: true },
    "meta-llama/llama-4-scout": { vision: true, tools: true },
    "meta-llama/llama-4-maverick": { vision: true, tools: true },
    "qwen/qwen3-max": { contextWindow: 262_144, tools: true, structuredOutput: true }
  },
  plainDate
)
