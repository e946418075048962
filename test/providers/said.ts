/**
 * What a request says, read off its JSON by the words of its API's reference alone: the independent meaning against which translations are held. Knows nothing of the code
 * under test. Every thing comes with the place where it stands, so that what is missing on the other side can be looked up among the losses.
 */
import type { DialectName } from "../../src/Providers.ts"

// What is read here has whatever shape a client gave it.
type Any = any

/** A thing that was said, and where. */
export interface At<A> {
  readonly at: string
  readonly value: A
}

export interface Said {
  readonly instructions: ReadonlyArray<At<string>>
  /** What user and assistant said in words, in order. */
  readonly texts: ReadonlyArray<At<string>>
  /** Name and arguments. */
  readonly calls: ReadonlyArray<At<readonly [name: string, input: unknown]>>
  /** Which call it answers, by its place among the calls (-1 for none of them), and its words. */
  readonly results: ReadonlyArray<At<readonly [call: number, text: string]>>
  /** URLs, or base64. */
  readonly images: ReadonlyArray<At<string>>
  readonly files: ReadonlyArray<At<string>>
  readonly tools: ReadonlyArray<At<readonly [name: string, description: string, schema: unknown]>>
  /** `none`, `required`, a tool's name, several. `auto` is silence. */
  readonly choice: At<string> | undefined
  readonly single: At<true> | undefined
  /** A schema, or `json` for any object. */
  readonly format: At<unknown> | undefined
  readonly thinking: At<"on" | "off"> | undefined
  readonly stop: At<ReadonlyArray<string>> | undefined
  readonly temperature: At<number> | undefined
  readonly topP: At<number> | undefined
  readonly seed: At<number> | undefined
  readonly maximum: At<number> | undefined
}

export const list = (value: Any): ReadonlyArray<Any> => (Array.isArray(value) ? value : [])
const visible = (at: string, text: Any): ReadonlyArray<At<string>> =>
  typeof text === "string" && text.trim() !== "" ? [{ at, value: text.trim() }] : []
const json = (text: Any): unknown => {
  try {
    return typeof text === "string" ? (text.trim() === "" ? {} : JSON.parse(text)) : (text ?? {})
  } catch {
    return text
  }
}
const given = <A>(at: string, value: A | null | undefined): At<A> | undefined =>
  value === undefined || value === null ? undefined : { at, value }
/** 1 is what every API does by itself. */
const unusual = (at: string, value: Any): At<number> | undefined => (value === 1 ? undefined : given(at, value))
const thinkingOf = (effort: Any): "on" | "off" | undefined => (effort == null ? undefined : effort === "none" ? "off" : "on")
const bare = (url: string): string => url.replace(/^data:[^,]*,/, "")

/** Collects while reading. */
class Reading {
  readonly instructions: Array<At<string>> = []
  readonly texts: Array<At<string>> = []
  readonly calls: Array<At<readonly [string, unknown]>> = []
  readonly ids: Array<string> = []
  readonly results: Array<At<readonly [number, string]>> = []
  readonly images: Array<At<string>> = []
  readonly files: Array<At<string>> = []
  call(at: string, id: string, name: string, input: unknown): void {
    this.calls.push({ at, value: [name, input] })
    this.ids.push(id)
  }
  result(at: string, id: string, texts: ReadonlyArray<At<string>>): void {
    this.results.push({ at, value: [this.ids.lastIndexOf(id), texts.map(({ value }) => value).join("\n")] })
  }
}

const chat = (body: Any): Said => {
  const reading = new Reading()
  const { instructions, texts } = reading
  const names = new Map<string, string>()
  list(body.messages).forEach((message, i) => {
    const at = `messages[${i}]`
    const parts: ReadonlyArray<At<Any>> =
      typeof message.content === "string"
        ? [{ at: `${at}.content`, value: { type: "text", text: message.content } }]
        : list(message.content).map((value, j) => ({ at: `${at}.content[${j}]`, value }))
    const words = parts.flatMap((part) => visible(part.at, part.value.text ?? part.value.refusal))
    if (message.role === "tool") return reading.result(at, message.tool_call_id, words)
    if (message.role === "function") return reading.result(at, names.get(message.name) ?? "", words)
    ;(message.role === "system" || message.role === "developer" ? instructions : texts).push(...words)
    for (const { at: place, value } of parts) {
      if (value.type === "image_url") reading.images.push({ at: place, value: bare(value.image_url.url ?? value.image_url) })
      if (value.type === "file" && typeof value.file?.file_data === "string")
        reading.files.push({ at: place, value: bare(value.file.file_data) })
    }
    texts.push(...visible(`${at}.refusal`, message.refusal))
    list(message.tool_calls).forEach((call, j) => {
      if (call.function !== undefined) reading.call(`${at}.tool_calls[${j}]`, call.id, call.function.name, json(call.function.arguments))
    })
    if (message.function_call) {
      names.set(message.function_call.name, `f${i}`)
      reading.call(`${at}.function_call`, `f${i}`, message.function_call.name, json(message.function_call.arguments))
    }
    return undefined
  })
  const choice = body.tool_choice ?? body.function_call
  const format = body.response_format
  const functions = list(body.functions).map((fn, i) => ({ at: `functions[${i}]`, value: fn }))
  return {
    ...reading,
    tools: [
      ...list(body.tools).flatMap((tool, i) => (tool.function === undefined ? [] : [{ at: `tools[${i}]`, value: tool.function as Any }])),
      ...functions
    ].map(({ at, value }) => ({ at, value: [value.name, value.description ?? "", value.parameters ?? {}] as const })),
    choice: given(
      "tool_choice",
      choice === "auto"
        ? undefined
        : choice === "any"
          ? "required"
          : typeof choice === "string"
            ? choice
            : (choice?.function?.name ?? choice?.name ?? choice?.type)
    ),
    single: body.parallel_tool_calls === false ? { at: "parallel_tool_calls", value: true } : undefined,
    format:
      format?.type === "json_schema"
        ? given("response_format", format.json_schema?.schema ?? "json")
        : format?.type === "json_object"
          ? { at: "response_format", value: "json" }
          : undefined,
    thinking: given(
      "reasoning_effort",
      thinkingOf(
        body.reasoning_effort ??
          body.reasoning?.effort ??
          (body.reasoning?.max_tokens > 0 ||
          body.reasoning?.enabled === true ||
          body.thinking?.type === "enabled" ||
          body.enable_thinking === true
            ? "on"
            : undefined)
      )
    ),
    stop: given("stop", typeof body.stop === "string" ? [body.stop] : body.stop?.length === 0 ? undefined : body.stop),
    temperature: unusual("temperature", body.temperature),
    topP: unusual("top_p", body.top_p),
    seed: given("seed", body.seed),
    maximum: given(
      body.max_completion_tokens == null ? "max_tokens" : "max_completion_tokens",
      body.max_completion_tokens ?? body.max_tokens
    )
  }
}

const responses = (body: Any): Said => {
  const reading = new Reading()
  const { instructions, texts } = reading
  instructions.push(...visible("instructions", body.instructions))
  const items = typeof body.input === "string" ? [{ role: "user", content: body.input }] : list(body.input)
  items.forEach((item, i) => {
    const at = `input[${i}]`
    switch (item.type ?? "message") {
      case "message": {
        const into = item.role === "system" || item.role === "developer" ? instructions : texts
        if (typeof item.content === "string")
          into.push(...visible(typeof body.input === "string" ? "input" : `${at}.content`, item.content))
        list(item.content).forEach((part, j) => {
          const place = `${at}.content[${j}]`
          into.push(...visible(place, part.text ?? part.refusal))
          media(reading, place, part)
        })
        return
      }
      case "function_call":
        return reading.call(at, item.call_id, item.name, json(item.arguments))
      case "function_call_output": {
        const parts = typeof item.output === "string" ? [{ text: item.output }] : list(item.output)
        parts.forEach((part, j) => media(reading, `${at}.output[${j}]`, part))
        return reading.result(
          at,
          item.call_id,
          parts.flatMap((part) => visible(at, part.text))
        )
      }
      default:
        return
    }
  })
  const { format } = body.text ?? {}
  const choice = body.tool_choice
  return {
    ...reading,
    tools: list(body.tools).flatMap((tool, i) =>
      tool.type === "function" ? [{ at: `tools[${i}]`, value: [tool.name, tool.description ?? "", tool.parameters ?? {}] as const }] : []
    ),
    choice: given(
      "tool_choice",
      choice === "auto"
        ? undefined
        : typeof choice === "string"
          ? choice
          : choice?.type === "allowed_tools" && choice.mode === "required" && list(choice.tools).length === list(body.tools).length
            ? "required"
            : (choice?.name ?? choice?.type)
    ),
    single: body.parallel_tool_calls === false ? { at: "parallel_tool_calls", value: true } : undefined,
    format:
      format?.type === "json_schema"
        ? { at: "text.format", value: format.schema }
        : format?.type === "json_object"
          ? { at: "text.format", value: "json" }
          : undefined,
    thinking: given("reasoning", body.reasoning == null ? undefined : body.reasoning.effort === "none" ? "off" : "on"),
    stop: undefined,
    temperature: unusual("temperature", body.temperature),
    topP: unusual("top_p", body.top_p),
    seed: undefined,
    maximum: given("max_output_tokens", body.max_output_tokens)
  }
}

const media = (reading: Reading, at: string, part: Any): void => {
  if (part.type === "input_image" && typeof part.image_url === "string") reading.images.push({ at, value: bare(part.image_url) })
  if (part.type === "input_file") {
    const value = part.file_data ?? part.file_url
    if (typeof value === "string") reading.files.push({ at, value: bare(value) })
  }
}

const messages = (body: Any): Said => {
  const reading = new Reading()
  const { instructions, texts } = reading
  if (typeof body.system === "string") instructions.push(...visible("system", body.system))
  list(body.system).forEach((block, i) => void instructions.push(...visible(`system[${i}]`, block.text)))
  const source = (block: Any, at: string): void => {
    const value = block.source?.url ?? block.source?.data
    if (typeof value === "string" && block.type === "image") reading.images.push({ at, value })
    if (typeof value === "string" && block.type === "document")
      reading.files.push({ at, value: block.source.type === "text" ? Buffer.from(value).toString("base64") : value })
  }
  list(body.messages).forEach((message, i) => {
    const at = `messages[${i}]`
    const blocks: ReadonlyArray<At<Any>> =
      typeof message.content === "string"
        ? [{ at: `${at}.content`, value: { type: "text", text: message.content } }]
        : list(message.content).map((value, j) => ({ at: `${at}.content[${j}]`, value }))
    for (const { at: place, value } of blocks) {
      switch (value.type) {
        case "text":
          ;(message.role === "system" ? instructions : texts).push(...visible(place, value.text))
          break
        case "image":
        case "document":
          source(value, place)
          break
        case "tool_use":
          reading.call(place, value.id, value.name, value.input)
          break
        case "tool_result": {
          const inner = typeof value.content === "string" ? [{ type: "text", text: value.content }] : list(value.content)
          inner.forEach((part, j) => source(part, `${place}.content[${j}]`))
          reading.result(
            place,
            value.tool_use_id,
            inner.flatMap((part) => visible(place, part.text))
          )
          break
        }
      }
    }
  })
  const choice = body.tool_choice
  const format = body.output_config?.format ?? body.output_format
  const thinking = body.thinking?.type
  return {
    ...reading,
    tools: list(body.tools).flatMap((tool, i) =>
      (tool.type ?? "custom") === "custom" && tool.input_schema !== undefined
        ? [{ at: `tools[${i}]`, value: [tool.name, tool.description ?? "", tool.input_schema] as const }]
        : []
    ),
    choice: given(
      "tool_choice",
      choice === undefined || choice === null || choice.type === "auto"
        ? undefined
        : choice.type === "any"
          ? "required"
          : choice.type === "tool"
            ? choice.name
            : "none"
    ),
    single: choice?.disable_parallel_tool_use === true ? { at: "tool_choice", value: true } : undefined,
    format: given("output_config.format", format?.type === "json_schema" ? format.schema : undefined),
    thinking: given(
      "thinking",
      thinking === "disabled" ? "off" : thinking === undefined ? (body.output_config?.effort === undefined ? undefined : "on") : "on"
    ),
    stop: given("stop_sequences", list(body.stop_sequences).length === 0 ? undefined : body.stop_sequences),
    temperature: unusual("temperature", body.temperature),
    topP: unusual("top_p", body.top_p),
    seed: undefined,
    maximum: given("max_tokens", body.max_tokens)
  }
}

/** Field names in proto JSON may be written either way. */
const camel = (value: Any): Any => {
  if (Array.isArray(value)) return value.map(camel)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      const name = key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
      // What is the caller's own data keeps its names.
      if (name === "properties" && typeof inner === "object" && inner !== null)
        return [name, Object.fromEntries(Object.entries(inner).map(([own, schema]) => [own, camel(schema)]))]
      return [name, /^_?(args|response|responseJsonSchema|parametersJsonSchema|labels)$/.test(name) ? inner : camel(inner)]
    })
  )
}

/** Vertex once wrote enumerations as numbers. */
const types = ["", "string", "number", "integer", "boolean", "array", "object"]

/** Google's dialect of schemas in the words of JSON Schema. */
export const plainSchema = (schema: Any): Any => {
  if (typeof schema !== "object" || schema === null || Array.isArray(schema)) return schema
  const out: Any = {}
  for (const [key, value] of Object.entries(schema) as Array<[string, Any]>) {
    if (key === "type" && typeof value === "number") out.type = types[value]
    else if (key === "type" && typeof value === "string") out.type = value.toLowerCase()
    else if (key === "properties")
      out.properties = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, plainSchema(inner)]))
    else if (key === "items") out.items = plainSchema(value)
    else if (key === "anyOf" && Array.isArray(value)) out.anyOf = value.map(plainSchema)
    else if (key !== "nullable" && key !== "propertyOrdering" && key !== "title") out[key] = value
  }
  if (schema.nullable === true) {
    if (out.type !== undefined) out.type = [out.type, "null"]
    if (Array.isArray(out.enum) && !out.enum.includes(null)) out.enum = [...out.enum, null]
  }
  return out
}

/** One of something may stand for a list of one. */
const many = (value: Any): ReadonlyArray<Any> =>
  Array.isArray(value) ? value : value === undefined || value === null || typeof value === "string" ? [] : [value]

const gemini = (raw: Any): Said => {
  const body = camel(raw)
  const reading = new Reading()
  const { instructions, texts } = reading
  const system = body.systemInstruction
  if (typeof system === "string") instructions.push(...visible("systemInstruction", system))
  many(system?.parts).forEach((part, i) => void instructions.push(...visible(`systemInstruction.parts[${i}]`, part.text)))
  let calls: Array<{ id: string; name: string; answered: boolean }> = []
  many(body.contents).forEach((content, i) => {
    const before = calls
    if (many(content.parts).some((part) => part.functionCall !== undefined)) calls = []
    many(content.parts).forEach((part, j) => {
      const at = `contents[${i}].parts[${j}]`
      if (part.functionCall !== undefined) {
        const id = part.functionCall.id ?? `${i}.${j}`
        calls.push({ id, name: part.functionCall.name, answered: false })
        return reading.call(at, id, part.functionCall.name, part.functionCall.args ?? {})
      }
      if (part.functionResponse !== undefined) {
        list(part.functionResponse.parts).forEach((inner) => {
          const data = inner.inlineData?.data
          if (typeof data === "string")
            (String(inner.inlineData.mimeType).startsWith("image/") ? reading.images : reading.files).push({ at, value: data })
        })
        const { id, name, response } = part.functionResponse
        const open = (calls.length > 0 ? calls : before).find((call) =>
          id === undefined ? call.name === name && !call.answered : call.id === id
        )
        if (open !== undefined) open.answered = true
        const only = Object.keys(response ?? {})
        const words =
          only.length === 1 && ["result", "output", "error"].includes(only[0]!) && typeof response[only[0]!] === "string"
            ? response[only[0]!]
            : only.length === 0
              ? ""
              : JSON.stringify(response)
        return reading.result(at, open?.id ?? id ?? "", visible(at, words))
      }
      const data = part.inlineData?.data ?? part.fileData?.fileUri
      const type: string = part.inlineData?.mimeType ?? part.fileData?.mimeType ?? ""
      if (typeof data === "string") {
        if (type.startsWith("image/")) reading.images.push({ at, value: data })
        else if (!type.startsWith("audio/") || part.fileData !== undefined) reading.files.push({ at, value: data })
        return undefined
      }
      if (part.thought !== true) texts.push(...visible(at, part.text))
      return undefined
    })
  })
  const config = body.generationConfig ?? {}
  const calling = body.toolConfig?.functionCallingConfig
  const names = list(calling?.allowedFunctionNames)
  const mode = calling?.mode?.toUpperCase()
  const offered = many(body.tools).flatMap((tool) => many(tool.functionDeclarations)).length
  const schema = config.responseJsonSchema ?? (config.responseSchema === undefined ? undefined : plainSchema(config.responseSchema))
  const thinking = config.thinkingConfig
  return {
    ...reading,
    tools: many(body.tools).flatMap((tool, i) =>
      many(tool.functionDeclarations).map((fn, j) => ({
        at: `tools[${i}].functionDeclarations[${j}]`,
        value: [fn.name, fn.description ?? "", fn.parametersJsonSchema ?? plainSchema(fn.parameters ?? {})] as const
      }))
    ),
    choice: given(
      "toolConfig",
      mode === "NONE"
        ? "none"
        : mode !== "ANY"
          ? undefined
          : names.length === 0 || (names.length === offered && offered > 1)
            ? "required"
            : names.length === 1
              ? names[0]
              : "allowed_tools"
    ),
    single: undefined,
    format: given("generationConfig.responseSchema", schema ?? (config.responseMimeType === "application/json" ? "json" : undefined)),
    thinking: given(
      "generationConfig.thinkingConfig",
      thinking?.thinkingBudget === 0
        ? "off"
        : thinking?.thinkingBudget !== undefined || thinking?.thinkingLevel !== undefined || thinking?.includeThoughts === true
          ? "on"
          : undefined
    ),
    stop: given("generationConfig.stopSequences", list(config.stopSequences).length === 0 ? undefined : config.stopSequences),
    temperature: unusual("generationConfig.temperature", config.temperature),
    topP: unusual("generationConfig.topP", config.topP),
    seed: given("generationConfig.seed", config.seed),
    maximum: given("generationConfig.maxOutputTokens", config.maxOutputTokens)
  }
}

/** Reads a request. */
export const said: Readonly<Record<DialectName, (body: unknown) => Said>> = {
  "chat.completions": chat,
  responses,
  messages,
  generateContent: gemini
}
