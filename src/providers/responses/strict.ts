/**
 * What strict mode makes of a schema.
 *
 * A tool of a Responses request that does not say otherwise is strict: the API closes the objects of its schema and makes all properties required (OpenAI, "Function
 * calling", "Strict mode"). A tool of Chat Completions, Messages or Gemini is not. So a tool that says nothing is decoded as strict where that only closes its
 * objects, and keeps its schema where it would make an optional property required.
 *
 * Runs once for each tool of a translated request.
 */
import { isObject, type Json } from "../json.ts"

/** Deeper than any schema that the API compiles, and the walk must end. */
const deepest = 64

/** What strict mode does not know (OpenAI, "Structured model outputs", "Supported schemas"). */
const unknown = ["allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties"]

/** How far a walk has got: how deep it is, and whether it closes what is open or gives up there. */
interface Walk {
  readonly depth: number
  readonly closes: boolean
}

const deeper = (walk: Walk): Walk => ({ ...walk, depth: walk.depth + 1 })

const closeAll = (schemas: unknown, walk: Walk): Json | undefined => {
  if (!isObject(schemas)) return undefined
  const closed: Array<readonly [string, unknown]> = []
  for (const name of Object.keys(schemas)) {
    const found = close(schemas[name], walk)
    if (found === undefined) return undefined
    closed.push([name, found])
  }
  return Object.fromEntries(closed)
}

/** What strict mode makes of an object; undefined where one of its properties would become required. */
const closeObject = (schema: Json, walk: Walk): Json | undefined => {
  const { additionalProperties: more, properties = {}, required = [] } = schema
  if (more !== false && (more !== undefined || !walk.closes)) return undefined
  const closed = closeAll(properties, walk)
  if (closed === undefined || !Array.isArray(required)) return undefined
  const demanded = new Set<unknown>(required)
  if (!Object.keys(closed).every((name) => demanded.has(name))) return undefined
  return { ...schema, ...(schema["properties"] === undefined ? {} : { properties: closed }), additionalProperties: false }
}

const close = (schema: unknown, walk: Walk): Json | undefined => {
  if (!isObject(schema) || walk.depth > deepest || unknown.some((name) => Object.hasOwn(schema, name))) return undefined
  const next = deeper(walk)
  const closed: Record<string, unknown> = {}
  for (const name of ["$defs", "definitions"]) {
    if (Object.hasOwn(schema, name) && (closed[name] = closeAll(schema[name], next)) === undefined) return undefined
  }
  const { anyOf, items, properties, type } = schema
  if (items !== undefined && (closed["items"] = close(items, next)) === undefined) return undefined
  if (anyOf !== undefined) {
    const branches = Array.isArray(anyOf) ? anyOf.map((branch) => close(branch, next)) : [undefined]
    if (branches.includes(undefined)) return undefined
    closed["anyOf"] = branches
  }
  const whole = { ...schema, ...closed }
  const isOfObjects = type === "object" || (Array.isArray(type) && type.includes("object")) || properties !== undefined
  return isOfObjects ? closeObject(whole, next) : whole
}

/** The schema with all of its objects closed, where strict mode changes nothing else; undefined where it would change more, or refuse it. */
export const closed = (schema: Json): Json | undefined =>
  schema["type"] === "object" ? close(schema, { depth: 0, closes: true }) : undefined

/** Whether strict mode takes a schema as it is. */
export const fits = (schema: Json): boolean => schema["type"] === "object" && close(schema, { depth: 0, closes: false }) !== undefined
