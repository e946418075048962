/**
 * What a request to Gemini's API says, whichever way it is written: a walker that knows how Google reads JSON, and nothing of our code.
 */

/** Fields that hold what is the user's own, and not of the API: their keys stay as they are. */
const opaque = new Set([
  "args",
  "response",
  "parametersJsonSchema",
  "responseJsonSchema",
  "_responseJsonSchema",
  "default",
  "example",
  "labels"
])
/** Fields that may hold one entry without its list. */
const repeated = new Set(["parts", "tools", "contents", "functionDeclarations"])
const enums = new Set(["type", "mode", "thinkingLevel", "language", "outcome"])
const typeNames = ["TYPE_UNSPECIFIED", "STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"]

const camel = (key: string): string => key.replace(/(?<=[a-z\d])_([a-z\d])/g, (_, letter: string) => letter.toUpperCase())

/** What Google reads, whatever the spelling: names in camelCase, enumerations in capitals, lists where lists belong, and nothing where there is nothing. */
const read = (value: unknown, under: string, inMap = false): unknown => {
  if (Array.isArray(value)) return value.map((one: unknown) => read(one, under))
  if (typeof value !== "object" || value === null)
    return enums.has(under) ? (typeof value === "number" ? typeNames[value] : String(value).toUpperCase()) : value
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]: [string, unknown]) => {
      const name = inMap ? key : camel(key)
      if (inner === null || inner === undefined) return []
      if (opaque.has(name) && !inMap) return [[name, inner]]
      const listed = repeated.has(name) && !Array.isArray(inner) && !inMap ? [inner] : inner
      const found = read(listed, inMap ? "" : name, name === "properties" && !inMap)
      const empty = typeof found === "object" && found !== null && !Array.isArray(found) && Object.keys(found).length === 0
      return empty && (name === "generationConfig" || name === "thinkingConfig") ? [] : [[name, found]]
    })
  )
}

/** The request without its model, which the address names. */
export const said = (body: unknown): unknown => {
  const { model: _model, ...rest } = read(body, "") as Record<string, unknown>
  return rest
}

/** As it is sent: nothing of it is shared with what was read. */
export const sent = (body: unknown): unknown => JSON.parse(JSON.stringify(body))
