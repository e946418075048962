/**
 * Models as the Gemini API lists them, on one page.
 *
 * Source: https://ai.google.dev/api/models
 */
import type { Listed, ModelList } from "../../ModelList.ts"

const one = ({ contextWindow, counts, maxOutputTokens, name }: Listed) => ({
  name: `models/${name}`,
  displayName: name,
  ...(contextWindow === undefined ? {} : { inputTokenLimit: contextWindow }),
  ...(maxOutputTokens === undefined ? {} : { outputTokenLimit: maxOutputTokens }),
  supportedGenerationMethods: ["generateContent", "streamGenerateContent", ...(counts ? ["countTokens"] : [])]
})

export const geminiModelList: ModelList = { one, all: (models) => ({ models: models.map(one) }) }
