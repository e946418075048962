/**
 * What a model is known to do: the tokens that it takes and gives, what it reads besides text, and whether it calls tools, keeps to a schema or reasons.
 *
 * The tables are in `models/`, one for each kind of provider, since the same weights have other limits at another host; the registry (`Providers.ts`) points
 * to them. They come from the providers' own pages, which each file names with their month, and prices are not among them (`Catalog.ts`). Runs at load, and
 * once for each model that a caller names at an open provider: one lookup in a map, two and a regular expression for a snapshot.
 *
 * - **Unknown is absent.** Never 0, never `false`. A known lack rejects requests, and so does a window, so that a `false` stands only where the provider says
 *   so. Where readings differ and its page does not settle it, the field is left out; where only the rounding of a window does (`256K`), the larger counts.
 * - **Names.** A name counts only as a table spells it, in any case, or with what its provider puts behind a name for a snapshot of that very model. So an
 *   unknown `…-5-5` is not taken for `…-5`, nor a tuned copy for its base. Where a provider's `-latest` wanders from model to model, the table names it itself,
 *   with no more than what holds for all of them.
 * - **One endpoint.** What is known is known of the endpoint that the dialect calls; models that answer elsewhere only are not in the tables.
 *
 * A catalog of others (as the prices have one) was not chosen: those at hand disagree with the providers' pages in just the fields that reject.
 */

/** What a model is known to do; what is absent is unknown. */
export interface Capabilities {
  /** Tokens of input and output together, or of input where the provider counts them apart. */
  readonly contextWindow?: number
  /** The most tokens that the model can answer. */
  readonly maxOutputTokens?: number
  readonly vision?: boolean
  readonly audio?: boolean
  /** Files such as PDF, as parts of a message. */
  readonly files?: boolean
  readonly tools?: boolean
  /** Answers that keep to a JSON schema, not only JSON. */
  readonly structuredOutput?: boolean
  readonly reasoning?: boolean
}

/** A table of models by exact name, with the families that dated snapshots belong to. */
export interface ModelTable {
  /** By name in lower case. */
  readonly names: ReadonlyMap<string, Capabilities>
  /** What stands behind a name for a snapshot of the same model; absent where nothing does. */
  readonly snapshot?: RegExp
}

/** A date as `-2024-07-18` behind a name. */
export const dashedDate = /-20\d\d-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])$/

/** A date as `-20250929` behind a name. */
export const plainDate = /-20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])$/

/** The table of `models`, whose names are in lower case already. */
export const modelTable = (models: Readonly<Record<string, Capabilities>>, snapshot?: RegExp): ModelTable => ({
  names: new Map(Object.entries(models)),
  ...(snapshot === undefined ? {} : { snapshot })
})

/** One line of a table: the window and the longest answer in tokens, and the rest. */
export const sized = (contextWindow: number, maxOutputTokens: number, rest: Capabilities = {}): Capabilities => ({
  contextWindow,
  maxOutputTokens,
  ...rest
})

/** What `model` is known to do; undefined where nothing is known of it. */
export const capabilitiesOf = (table: ModelTable | undefined, model: string): Capabilities | undefined => {
  if (table === undefined) return undefined
  const name = model.toLowerCase()
  const exact = table.names.get(name)
  const { snapshot } = table
  if (exact !== undefined || snapshot === undefined) return exact
  const stem = name.replace(snapshot, "")
  // A snapshot has no snapshots of its own.
  return stem === name || snapshot.test(stem) ? undefined : table.names.get(stem)
}
