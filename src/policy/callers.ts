/** Who calls: keys, their classes, and the budgets that they spend from. */
import * as Schema from "effect/Schema"
import { KeySecret, Name, optional, Region, Usd } from "./terms.ts"

export const Budget = Schema.Struct({
  per: Schema.Literals(["key", "class", "team", "organisation"]),
  limit: Usd,
  every: Schema.Literals(["day", "month"])
})
export type Budget = typeof Budget.Type
/** `"any"`, or these alone. */
const Only = <S extends Schema.Constraint>(of: S) => Schema.Union([Schema.Literal("any"), Schema.Array(of)])
export const Class = Schema.Struct({
  /** Targets by name, and `provider/*` for undeclared models of an open provider. What is not named is granted to nobody of the class. */
  may: Schema.Array(Schema.String),
  /** Of these, only what these providers serve. */
  providers: optional(Only(Schema.String), "any"),
  /** Of these, only what is served in these regions; a target without a region is in none. */
  regions: optional(Only(Region), "any"),
  /** The budgets that its callers spend from, all of them. */
  within: optional(Schema.Array(Schema.String), [])
})
export type Class = typeof Class.Type
export const Key = Schema.Struct({
  secret: KeySecret,
  class: Schema.String,
  team: Schema.optionalKey(Name),
  organisation: Schema.optionalKey(Name),
  /** Of the policy's `tags`. */
  tags: optional(Schema.Array(Name), [])
})
export type Key = typeof Key.Type
