/**
 * The JSON Schema (draft 2020-12) of policies as they are written, for editors: completion, and red marks before `turnout check` is run.
 *
 * Made from the very schema that decodes them, so it cannot fall behind. It says less than decoding does, never more: what only code can judge (money to nine decimals, a
 * guard's `forbid` or `require`, time zones) is left to `check`, and so is everything between the parts of a policy. Runs in `turnout schema`.
 */
import * as Schema from "effect/Schema"
import { Policy, type PolicyEncoded, type ProviderSpec } from "./Policy.ts"

/** A name and no address: nothing is fetched for it. */
const id = "urn:turnout:policy:1"

const descriptions: Readonly<Record<keyof PolicyEncoded, string>> = {
  version: "The version of the policy language.",
  name: "The policy's own name, in logs and records.",
  splitHash: "The hash that assigns the arms of splits: a policy keeps its assignments for as long as it keeps this.",
  metadata: "Fields of the request's `metadata` that conditions may read.",
  headers: "Headers that conditions may read, in lower case.",
  tags: "Tags of callers that conditions may read.",
  zone: "The time zone of the hour and the weekday that conditions read, such as Europe/Berlin.",
  layers: "What an organisation lays over the policy: guards, and budgets that bind every caller.",
  providers: "Where models are served, by names of your own.",
  targets: "What requests are sent to: one model at one provider each, by names of your own.",
  pools: "Targets that routes share, and how one of them is chosen.",
  aliases: "Further names for targets, which may be any model name that callers use.",
  budgets: "Limits on spend, by names of your own.",
  classes: "Classes of callers: what each may use, and the budgets that it spends from.",
  keys: "The keys of callers. Without any, every caller on this machine is `local`.",
  guards: "What no candidate may be, or must be, whatever route leads to it.",
  commit: "When an answer counts as begun, so that nothing can fail over any more.",
  translation:
    "Whether a target of another dialect may be sent a request of which it cannot be told everything: `report` what is left out, or `strict`.",
  fetch: "From where images and documents may be fetched for targets that take no addresses. Without it nothing is fetched.",
  timeouts: "How long one attempt may take.",
  effort: "How much one call may cost over all its attempts: how many, how long, and in dollars.",
  routes: "In order: the first route whose `when` holds answers the call. The last has none.",
  accept: "Findings of `turnout check` that you have looked at and live with, each with the reason."
}

/** Of one entry of `providers`, of whose fields names say least. */
const ofProvider: Readonly<Record<keyof ProviderSpec, string>> = {
  dialect: "The kind of provider: its address, its APIs, and the header of its key.",
  baseUrl: "Another address than the usual one. {region} in it stands for the target's region, {project} for `project`.",
  key: "The variable that holds the credential that is sent.",
  keys: "Several keys, with their weights: calls are shared out, and what one is refused another is asked for.",
  auth: "How tokens are got, where they are sent instead of a key.",
  project: "The project that the address names, at Vertex AI.",
  apiVersion: "A dated version of Azure's API, such as 2024-10-21; without it the undated API is called.",
  speaks: "The APIs that it is spoken to in, best first; what its kind speaks where absent.",
  region: "Where it serves, unless a target says otherwise.",
  open: "Whether callers may ask for models that are no targets, as provider/model.",
  mock: "Models that `turnout serve` answers for itself, at a loopback address with a port."
}

type Json = { readonly [key: string]: unknown }

const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b)

const each = (schemas: unknown): Json => Object.fromEntries(Object.entries(schemas as Json).map(([name, schema]) => [name, plain(schema)]))

/** Said already by the keyword beside it. */
const idle = /^(a finite number|an integer|a value |JSON value)/

/** What each keyword that has to change becomes, with what is beside it. */
const plainer: Readonly<Record<string, (value: unknown, schema: Json) => Json>> = {
  description: (description) => (idle.test(String(description)) ? {} : { description }),
  properties: (properties) => ({ properties: each(properties) }),
  patternProperties: (properties) => ({ patternProperties: each(properties) }),
  // The type of a constant is its own.
  type: (type, { enum: literals }) => (Array.isArray(literals) && literals.length === 1 ? {} : { type }),
  enum: (literals) =>
    (literals as ReadonlyArray<unknown>).length === 1 ? { const: (literals as ReadonlyArray<unknown>)[0] } : { enum: literals },
  // The first item of a list that is not empty is like all others.
  prefixItems: (prefix, { items }) =>
    (prefix as ReadonlyArray<unknown>).every((item) => same(item, items))
      ? {}
      : { prefixItems: (prefix as ReadonlyArray<unknown>).map(plain) },
  // Every safe integer is in these, and what follows in `allOf` is narrower.
  minimum: (minimum) => (minimum === Number.MIN_SAFE_INTEGER ? {} : { minimum }),
  maximum: (maximum) => (maximum === Number.MAX_SAFE_INTEGER ? {} : { maximum }),
  allOf: (schemas) => Object.assign({}, ...(schemas as ReadonlyArray<unknown>).map(plain)) as Json,
  // A number of the language could be infinite, one of JSON cannot.
  anyOf: (schemas) => {
    const [number, other] = schemas as ReadonlyArray<Json>
    const infinite = same(other, { type: "string", enum: ["Infinity", "-Infinity", "NaN"] })
    return infinite ? (plain(number) as Json) : { anyOf: (schemas as ReadonlyArray<unknown>).map(plain) }
  }
}

/** Says the same in fewer words. */
const plain = (schema: unknown): unknown =>
  typeof schema !== "object" || schema === null || Array.isArray(schema)
    ? schema
    : Object.assign(
        {},
        ...Object.entries(schema).map(([keyword, value]) =>
          Object.hasOwn(plainer, keyword) ? plainer[keyword]!(value, schema as Json) : { [keyword]: plain(value) }
        )
      )

/** The section `providers` with what its fields are. */
const providersDescribed = (section: Json): Json => ({
  ...section,
  patternProperties: Object.fromEntries(
    Object.entries(section["patternProperties"] as Readonly<Record<string, Json>>).map(([name, entry]) => [
      name,
      {
        ...entry,
        properties: Object.fromEntries(
          Object.entries(entry["properties"] as Readonly<Record<keyof ProviderSpec, Json>>).map(([field, schema]) => [
            field,
            { ...schema, description: ofProvider[field as keyof ProviderSpec] }
          ])
        )
      }
    ])
  )
})

/** The schema as JSON. A file may say in `$schema` that it is meant. */
export const jsonSchema = (): object => {
  const { definitions } = Schema.toJsonSchemaDocument(Policy, { onExcessProperty: "error", generateDescriptions: true })
  const { Policy: policy, ...others } = definitions as Readonly<Record<string, Json>>
  const { properties, ...rest } = plain(policy) as Json
  const described = Object.entries(properties as Readonly<Record<keyof PolicyEncoded, Json>>).map(([name, field]) => [
    name,
    { ...(name === "providers" ? providersDescribed(field) : field), description: descriptions[name as keyof PolicyEncoded] }
  ])
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: id,
    title: "Turnout policy",
    description: "A routing policy for LLM traffic.",
    ...rest,
    properties: {
      $schema: { type: "string", description: "Where this schema is, for editors. It is no part of the policy." },
      ...Object.fromEntries(described)
    },
    $defs: each(others)
  }
}
