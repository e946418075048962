/**
 * What Mistral's models do.
 *
 * From docs.mistral.ai, the model cards (their data are public, github.com/mistralai/platform-docs-public), as stored between December 2025 and October
 * 2026. A card lists every kind of input, so that one without images is a model without them. No card has a limit for answers. `256k` counts as 262,144.
 *
 * `-latest` and names without a month wander from generation to generation, so that they have no limits and no lacks here, and no name has snapshots. Left
 * out: the windows of Codestral 25.08 (128k on its card, 256k elsewhere) and of Ministral 3B (256k on its card, 131,072 elsewhere); structured outputs of
 * Magistral (not on its cards); files, which documents reach by another kind of part.
 */
import { type Capabilities, modelTable } from "../Models.ts"

const able: Capabilities = { tools: true, structuredOutput: true }
const text: Capabilities = { ...able, vision: false, audio: false }
const sees: Capabilities = { ...able, vision: true, audio: false }
const thinks: Capabilities = { ...sees, reasoning: true }
const wandering: Capabilities = { ...able, vision: true }

const k128 = 131_072
const k256 = 262_144

export const mistralModels = modelTable({
  "open-mistral-nemo": { contextWindow: k128, ...text },
  "open-mistral-nemo-2407": { contextWindow: k128, ...text },
  "pixtral-12b-2409": { contextWindow: k128, ...sees },
  "pixtral-large-2411": { contextWindow: k128, ...sees },
  "mistral-large-2411": { contextWindow: k128, ...text },
  "mistral-large-2512": { contextWindow: k256, ...sees },
  "mistral-large-4": { contextWindow: 1_048_576, ...thinks },
  "mistral-large-4-0": { contextWindow: 1_048_576, ...thinks },
  "mistral-large-latest": wandering,
  "mistral-medium-2505": { contextWindow: k128, ...sees },
  "mistral-medium-2508": { contextWindow: k128, ...sees },
  "mistral-medium-2604": { contextWindow: k256, ...thinks },
  "mistral-medium-3-5": { contextWindow: k256, ...thinks },
  "mistral-medium-3.5": { contextWindow: k256, ...thinks },
  "mistral-medium-3": wandering,
  "mistral-medium-latest": wandering,
  "mistral-small-2506": { contextWindow: k128, ...sees },
  "mistral-small-2603": { contextWindow: k256, ...thinks },
  "mistral-small-latest": wandering,
  "ministral-3b-2512": sees,
  "ministral-8b-2512": { contextWindow: k256, ...sees },
  "ministral-14b-2512": { contextWindow: k256, ...sees },
  "ministral-3b-latest": wandering,
  "ministral-8b-latest": wandering,
  "ministral-14b-latest": wandering,
  "magistral-small-2509": { contextWindow: k128, vision: true, audio: false, tools: true, reasoning: true },
  "magistral-medium-2509": { contextWindow: k128, vision: true, audio: false, tools: true, reasoning: true },
  "codestral-2508": text,
  "codestral-latest": able,
  "devstral-2512": { contextWindow: k256, ...text },
  "devstral-latest": able,
  "voxtral-small-2507": { contextWindow: 32_768, ...able, audio: true, vision: false },
  "voxtral-small-latest": { ...able, audio: true }
})
