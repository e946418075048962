/** Guards, and the layers in which an organisation lays them, with budgets, over a policy. */
import * as Schema from "effect/Schema"
import { Budget } from "./callers.ts"
import { Capability, VendorClass } from "./targets.ts"
import { Name, optional, Price, record, Region } from "./terms.ts"

/** Targets, by what they are: every field that is given must fit, and a list fits where one of it does. */
export const Selector = Schema.Struct({
  targets: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  /** By the provider's own name for the model, in any case; a deployment with another name must be named too, or it is not known which model it is. */
  models: Schema.optionalKey(Schema.NonEmptyArray(Schema.NonEmptyString)),
  providers: Schema.optionalKey(Schema.NonEmptyArray(Schema.String)),
  regions: Schema.optionalKey(Schema.NonEmptyArray(Region)),
  vendors: Schema.optionalKey(Schema.NonEmptyArray(VendorClass)),
  tags: Schema.optionalKey(Schema.NonEmptyArray(Name)),
  capabilities: Schema.optionalKey(Schema.NonEmptyArray(Capability)),
  /** Dearer than this, in dollars for a million tokens of input; of prices that grow with the request the dearest counts. */
  inputAbove: Schema.optionalKey(Price),
  /** The same of output. */
  outputAbove: Schema.optionalKey(Price)
}).check(Schema.makeFilter((selector: object) => Object.keys(selector).length > 0 || "at least one field to choose targets by"))
export type Selector = typeof Selector.Type

/**
 * What no candidate may be (`forbid`), or must be (`require`), where the condition holds. It holds for every attempt of every kind, and order means nothing. What is not known
 * of a target counts against it.
 */
export const Guard = Schema.Struct({
  name: Name,
  when: Schema.optionalKey(Schema.Json),
  forbid: Schema.optionalKey(Selector),
  require: Schema.optionalKey(Selector)
}).check(
  Schema.makeFilter(
    (guard: { readonly forbid?: unknown; readonly require?: unknown }) =>
      (guard.forbid === undefined) !== (guard.require === undefined) || "either `forbid` or `require`"
  )
)
export type Guard = typeof Guard.Type

/** Rules that an organisation lays over a policy: guards, and budgets that bind every caller. They can only narrow. */
export const Layer = Schema.Struct({ name: Name, guards: optional(Schema.Array(Guard), []), budgets: optional(record(Budget), {}) })
export type Layer = typeof Layer.Type
