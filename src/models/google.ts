/**
 * What Gemini models do, at the Gemini API and at Vertex AI.
 *
 * From ai.google.dev, "Gemini 3.5 Flash", "Gemini 3.1 Flash-Lite" and the pages beside them, and docs.cloud.google.com, "Gemini 3.8 Flash", "Gemini 3 Flash", as
 * stored in autumn 2026: text, images, video, sound and PDF in, a limit of input apart from that of output, function calls, structured outputs and thinking. The
 * windows of Gemini 2.5 to 3.8 are those that the router's list has of Google's pages too (`openrouter.ts`).
 *
 * Left out: models that answer with pictures or sound, the Live API, Gemma, and what Gemini 2.0 and 1.5 did, which are shut down at one or both addresses. Whether
 * Gemini 2.5 Flash-Lite thinks is its caller's to say (it does not unless asked), so that it counts as able to.
 *
 * `-latest` wanders from model to model, so that it makes no snapshot; what previews were called after their month is another model than what came of them.
 */
import { type Capabilities, modelTable, sized } from "../Models.ts"

const able: Capabilities = { vision: true, audio: true, files: true, tools: true, structuredOutput: true, reasoning: true }
const usual = sized(1_048_576, 65_536, able)

export const googleModels = modelTable({
  "gemini-2.5-pro": usual,
  "gemini-2.5-flash": usual,
  "gemini-2.5-flash-lite": usual,
  "gemini-3-pro-preview": usual,
  "gemini-3-flash-preview": usual,
  "gemini-3.1-pro-preview": usual,
  "gemini-3.1-flash-lite": usual,
  "gemini-3.1-flash-lite-preview": usual,
  "gemini-3.5-flash": usual,
  "gemini-3.5-flash-lite": usual,
  "gemini-3.6-flash": usual,
  "gemini-3.7-flash": usual,
  "gemini-3.8-flash": usual
})
