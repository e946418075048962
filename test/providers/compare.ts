/**
 * Holds what was said or told on one side against the other: everything is there, or stands among the losses.
 */
import type { At, Said } from "./said.ts"
import { streamed, type Told } from "./told.ts"

/** Base64 in either alphabet. */
const plain = (data: string): string =>
  /^[\w+/=-]+$/.test(data) ? data.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "") : data

const squeezed = (text: string): string => text.replace(/\s+/g, "")

const camel = (path: string): string => path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

const touches = (a: string, b: string): boolean =>
  a === b || a.startsWith(`${b}.`) || a.startsWith(`${b}[`) || b.startsWith(`${a}.`) || b.startsWith(`${a}[`)

/** Other places where a caller may have said the same. */
const aliases: Readonly<Record<string, ReadonlyArray<string>>> = {
  "generationConfig.responseSchema": [
    "generationConfig.responseJsonSchema",
    "generationConfig.responseMimeType",
    "generationConfig._responseJsonSchema"
  ],
  "output_config.format": ["output_format"],
  thinking: ["output_config.effort"],
  reasoning_effort: ["reasoning", "thinking", "enable_thinking"],
  tool_choice: ["function_call"]
}

const same = (a: unknown, b: unknown): boolean => {
  if (Object.is(a, b)) return true
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null || Array.isArray(a) !== Array.isArray(b)) return false
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same((a as never)[key], (b as never)[key]))
}

/** What a schema demands, without what only describes it, and with what it refers to in its place. */
const shape = (schema: unknown, root: unknown = schema, depth = 0): unknown => {
  const reference = (schema as { readonly $ref?: unknown } | null)?.$ref
  if (typeof reference === "string") {
    const found = reference
      .split("/")
      .slice(1)
      .reduce((place: unknown, key) => (place as Record<string, unknown> | undefined)?.[key], root)
    return depth > 6 ? {} : shape(found, root, depth + 1)
  }
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return {}
  const { anyOf: [alone, ...others] = [] } = schema as { readonly anyOf?: ReadonlyArray<unknown> }
  // What stands beside a reference may have to be wrapped.
  if (alone !== undefined && others.length === 0) return shape(alone, root, depth + 1)
  const { anyOf, const: only, items, properties, required, type } = schema as Record<string, never>
  const values = (schema as Record<string, never>)["enum"] ?? (only === undefined ? undefined : [only])
  const types = type === undefined ? undefined : [type].flat().toSorted()
  return {
    ...(types === undefined || values !== undefined || (types[0] === "object" && types.length === 1) ? {} : { type: types }),
    ...(properties === undefined || Object.keys(properties).length === 0
      ? {}
      : { properties: Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, shape(inner, root, depth + 1)])) }),
    ...(required === undefined || (required as Array<string>).length === 0 ? {} : { required: (required as Array<string>).toSorted() }),
    ...(values === undefined ? {} : { enum: values }),
    ...(items === undefined ? {} : { items: shape(items, root, depth + 1) }),
    ...(Array.isArray(anyOf) ? { anyOf: (anyOf as Array<unknown>).map((one) => shape(one, root, depth + 1)) } : {})
  }
}

const value = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return squeezed(text)
  }
}

/** How a result reads, whether it was an object or the text of one. */
const reading = (text: string): unknown => {
  const found = value(text)
  if (typeof found !== "object" || found === null) return squeezed(text)
  return Object.keys(found).length === 0 ? "" : found
}

/** What `here` lacks or adds of what was said `there`, but for what `losses` name. */
export const missingOf = (
  there: Said,
  here: Said,
  fields: ReadonlyArray<string>,
  /** How the model thinks where nobody says so: asking it for that is silence. */
  byItself?: "on" | "off"
): ReadonlyArray<string> => {
  const losses = fields.flatMap((field) => [field, camel(field)])
  const lost = (at: string): boolean => losses.some((field) => [at, ...(aliases[at] ?? [])].some((place) => touches(place, field)))
  const faults: Array<string> = []
  const kept = <A>(all: ReadonlyArray<At<A>>): ReadonlyArray<At<A>> => all.filter(({ at }) => !lost(at))

  const words = (all: ReadonlyArray<At<string>>): string => all.map((one) => squeezed(one.value)).join("")
  const lostWords = there.instructions.filter(({ at }) => lost(at)).map((one) => squeezed(one.value))
  const spoken = words(here.texts)
  // A lone instruction may have become the message that some APIs demand, which is reported.
  const expected = words(kept(there.texts))
  if (spoken !== expected && !lostWords.some((text) => spoken === text + expected || spoken === expected + text)) {
    const rest = words(there.texts)
    if (spoken !== rest) faults.push(`texts: ${expected.slice(0, 80)}… is ${spoken.slice(0, 80)}…`)
  }
  const instructed = words(here.instructions)
  for (const { at, value: text } of there.instructions)
    if (!instructed.includes(squeezed(text)) && !lost(at)) faults.push(`instruction at ${at}`)
  if (instructed.length > words(there.instructions).length) faults.push("an instruction that nobody gave")

  const calls = kept(there.calls)
  if (here.calls.length !== calls.length && here.calls.length !== there.calls.length)
    faults.push(`calls: ${calls.length} are ${here.calls.length}`)
  else {
    const expectedCalls = here.calls.length === there.calls.length ? there.calls : calls
    expectedCalls.forEach(({ at, value: [name, input] }, i) => {
      const [otherName, otherInput] = here.calls[i]!.value
      if (name !== otherName) faults.push(`name of the call at ${at}: ${name} is ${otherName}`)
      if (!same(input, otherInput) && !lost(at))
        faults.push(`arguments of the call at ${at}: ${JSON.stringify(input)} are ${JSON.stringify(otherInput)}`)
    })
  }
  const results = there.results
  if (here.results.length !== results.length && here.results.length !== kept(results).length)
    faults.push(`results: ${results.length} are ${here.results.length}`)
  else
    (here.results.length === results.length ? results : kept(results)).forEach(({ at, value: [call, text] }, i) => {
      const [otherCall, otherText] = here.results[i]!.value
      if (call !== otherCall) faults.push(`the call that ${at} answers: ${call} is ${otherCall}`)
      if (!same(reading(text), reading(otherText)) && squeezed(text) !== squeezed(otherText) && !lost(at))
        faults.push(`result at ${at}: ${text.slice(0, 60)} is ${otherText.slice(0, 60)}`)
    })
  for (const kind of ["images", "files"] as const) {
    for (const { at, value: source } of there[kind])
      if (!here[kind].some((other) => plain(squeezed(other.value)) === plain(squeezed(source))) && !lost(at))
        faults.push(`${kind} at ${at}`)
  }
  const chosen = there.choice !== undefined && !lost(there.choice.at)
  for (const {
    at,
    value: [name, description, schema]
  } of there.tools) {
    const other = here.tools.find((tool) => tool.value[0] === name)
    // A choice among some of the tools may be told by sending only these.
    if (other === undefined) {
      if (!lost(at) && !chosen) faults.push(`tool \`${name}\``)
      continue
    }
    if (description !== other.value[1] && !lost(at)) faults.push(`description of \`${name}\``)
    if (!same(shape(schema), shape(other.value[2])) && !lost(at))
      faults.push(`schema of \`${name}\`: ${JSON.stringify(shape(schema))} is ${JSON.stringify(shape(other.value[2]))}`)
  }
  if (here.tools.length > there.tools.length) faults.push("a tool that nobody offered")
  /** To demand the only tool is to demand a tool. */
  const choiceOf = ({ choice, tools }: Said): Said["choice"] =>
    choice !== undefined && tools.length === 1 && tools[0]!.value[0] === choice.value ? { ...choice, value: "required" } : choice
  const setting = (name: "choice" | "single" | "thinking" | "stop" | "temperature" | "topP" | "seed" | "maximum"): void => {
    const [was, is] = name === "choice" ? [choiceOf(there), choiceOf(here)] : [there[name], here[name]]
    if (was === undefined) {
      // The Messages API demands a maximum.
      if (is !== undefined && name !== "maximum") faults.push(`${name} that nobody set: ${JSON.stringify(is.value)}`)
    } else if (name === "single" && there.tools.length === 0) {
      // There is nothing to call.
    } else if (name === "thinking" && is === undefined && was.value === byItself) {
      // It does so anyway.
    } else if ((is === undefined || !same(was.value, is.value)) && !lost(was.at))
      faults.push(`${name} at ${was.at}: ${JSON.stringify(was.value)} is ${JSON.stringify(is?.value)}`)
  }
  for (const name of ["choice", "single", "thinking", "stop", "temperature", "topP", "seed", "maximum"] as const) setting(name)
  const [was, is] = [there.format, here.format]
  if (was !== undefined && !lost(was.at)) {
    if (is === undefined) faults.push("format")
    else if (typeof was.value === "object" && !same(shape(was.value), shape(is.value)))
      faults.push(`format: ${JSON.stringify(shape(was.value))} is ${JSON.stringify(shape(is.value))}`)
  } else if (was === undefined && is !== undefined) faults.push("a format that nobody asked for")
  return faults
}

/** Whether a seal can be got back out of what stands for it. */
const sealed = (seal: string, others: ReadonlyArray<string>): boolean =>
  others.some((other) => {
    if (other === seal) return true
    try {
      return atob(other).includes(encodeURIComponent(seal))
    } catch {
      return false
    }
  })

/** What `here` lacks or changes of what was told `there`, but for what `losses` name. */
export const untoldOf = (there: Told, here: Told, losses: ReadonlyArray<string>): ReadonlyArray<string> => {
  const faults: Array<string> = []
  const lost = (what: RegExp): boolean => losses.some((field) => what.test(field))
  const all = here.text + here.refusal
  if (here.text !== there.text && all !== there.text + there.refusal && here.text !== there.text + there.refusal)
    faults.push(`text: ${JSON.stringify(there.text.slice(0, 60))} is ${JSON.stringify(here.text.slice(0, 60))}`)
  if (there.refusal !== "" && !all.includes(there.refusal)) faults.push(`refusal: ${there.refusal}`)
  if (squeezed(here.reasoning) !== squeezed(there.reasoning))
    faults.push(`reasoning: ${there.reasoning.slice(0, 60)} is ${here.reasoning.slice(0, 60)}`)
  const called = ({ calls }: Told) => calls.map(([, name, input], i) => [name, there.calls[i]?.[2] === streamed ? streamed : input])
  if (!same(called(there), called(here)) && !lost(/tool|call|content|parts|output/))
    faults.push(`calls: ${JSON.stringify(there.calls)} are ${JSON.stringify(here.calls)}`)
  there.calls.forEach(([id], i) => {
    const other = here.calls[i]?.[0]
    // Claude takes only some letters in an id.
    const claudes = id.replace(/[^\w-]/g, (character) => `_${character.codePointAt(0)!.toString(16)}_`)
    if (id !== "" && other !== undefined && other !== id && other !== claudes) faults.push(`id of call ${i}: ${id} is ${other}`)
  })
  const ids = here.calls.map(([id]) => id)
  if (new Set(ids).size !== ids.length) faults.push("two calls of one id")
  // A provider without ids needs none, and others get one for each.
  const unsaid = ["", "undefined", "null"].includes(there.stop) && ["end", "OTHER"].includes(here.stop)
  if (there.stop !== here.stop && !unsaid && !lost(/stop_reason|finish_reason|finishReason|status|incomplete/))
    faults.push(`stop: ${there.stop} is ${here.stop}`)
  if (there.usage !== undefined && !same(there.usage, here.usage))
    faults.push(`usage: ${JSON.stringify(there.usage)} is ${JSON.stringify(here.usage)}`)
  for (const url of there.urls) if (!here.urls.includes(url) && !lost(/citations|annotations|grounding/)) faults.push(`source ${url}`)
  for (const seal of there.seals) if (!sealed(seal, here.seals)) faults.push(`seal ${seal.slice(0, 20)}…`)
  return faults
}
