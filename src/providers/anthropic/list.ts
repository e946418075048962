/**
 * Models as Anthropic lists them, on one page. A model whose release date is not known has the epoch, as the API's own reference allows.
 *
 * Source: https://platform.claude.com/docs/en/api/models
 */
import type { Listed, ModelList } from "../../ModelList.ts"

const one = ({ name }: Listed) => ({ type: "model", id: name, display_name: name, created_at: "1970-01-01T00:00:00Z" })

export const anthropicModelList: ModelList = {
  one,
  all: (models) => ({
    data: models.map(one),
    has_more: false,
    first_id: models[0]?.name ?? null,
    last_id: models.at(-1)?.name ?? null
  })
}
