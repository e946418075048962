/**
 * What DeepSeek's models do at its own address.
 *
 * From api-docs.deepseek.com, "Models & Pricing", as LiteLLM 1.109 and models.dev read it in November 2026: a window of 1M, answers of 384K at most, images
 * for Flash. Left out: structured outputs, of which the catalogs say more than was found there (`json_object` takes no schema); `deepseek-chat` and
 * `deepseek-reasoner`, which the page no longer lists and which have stood for one model after another.
 */
import { type Capabilities, modelTable, sized } from "../Models.ts"

const able: Capabilities = { tools: true, reasoning: true }

export const deepseekModels = modelTable({
  "deepseek-flash": sized(1_000_000, 393_216, { ...able, vision: true }),
  "deepseek-v4-flash": sized(1_000_000, 393_216, { ...able, vision: true }),
  "deepseek-v4-flash-vision-exp": sized(1_000_000, 393_216, { ...able, vision: true }),
  "deepseek-v4-pro": sized(1_000_000, 393_216, able)
})
