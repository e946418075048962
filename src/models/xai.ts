/**
 * What Grok does.
 *
 * From docs.x.ai, the page of Grok 4.20 as stored in 2026 (an older copy has a window of 2M; this one, xAI's list of models and models.dev have 1M), and for
 * the others where LiteLLM 1.109, which reads xAI's own list of models, and models.dev agree (November 2026). There is no limit for answers on those pages. A
 * name, a month and day or `-latest` behind it are one model ("Models", "Aliases").
 *
 * Left out: Grok 4 Fast, 4.1 Fast, 3 and older, and the window of Grok 4, which have left the pages; the multi-agent model, which takes no tools of
 * a caller's; files, which go through the Responses API.
 */
import { type Capabilities, modelTable } from "../Models.ts"

const grok: Capabilities = { vision: true, tools: true, structuredOutput: true }
const thinks: Capabilities = { ...grok, reasoning: true }
const million = 1_000_000

export const xaiModels = modelTable(
  {
    "grok-code-fast-1": { contextWindow: 256_000, tools: true, structuredOutput: true, reasoning: true },
    "grok-build-0.1": { contextWindow: 256_000, ...thinks },
    "grok-4": thinks,
    "grok-4.20": { contextWindow: million, ...thinks },
    "grok-4.20-reasoning": { contextWindow: million, ...thinks },
    "grok-4.20-0309-reasoning": { contextWindow: million, ...thinks },
    "grok-4.20-non-reasoning": { contextWindow: million, ...grok, reasoning: false },
    "grok-4.20-0309-non-reasoning": { contextWindow: million, ...grok, reasoning: false },
    "grok-4.3": { contextWindow: million, ...thinks },
    "grok-4.5": { contextWindow: 500_000, ...thinks },
    "grok-4.6": { contextWindow: 500_000, ...thinks },
    "grok-4.7": { contextWindow: 500_000, ...thinks }
  },
  /-(?:(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|latest)$/
)
