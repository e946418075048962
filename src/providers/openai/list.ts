/**
 * Models as OpenAI lists them. Nothing is known of when they were made, which the API states as a number: 0.
 *
 * Source: https://platform.openai.com/docs/api-reference/models
 */
import type { Listed, ModelList } from "../../ModelList.ts"

const one = ({ name, owner }: Listed) => ({ id: name, object: "model", created: 0, owned_by: owner })

export const openaiModelList: ModelList = { one, all: (models) => ({ object: "list", data: models.map(one) }) }
