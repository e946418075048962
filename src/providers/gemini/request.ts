/**
 * A conversation as the body of a generateContent request. Pure; runs once an attempt, for callers of another dialect, and of this one where bytes cannot go on as they are.
 *
 * What the target cannot carry is left out and named, never approximated in silence. What is decided here:
 *
 * - **Later instructions.** `systemInstruction` holds those before the first message. The API has no place for a later one: it joins them, which keeps its authority and loses its place, and is
 *   reported. It is never put into the user's mouth, with one reported exception: a conversation without any message, which the API refuses.
 * - **Schemas** go as JSON Schema (`parametersJsonSchema`, `responseJsonSchema`), so that an optional property stays optional (`schema.ts`).
 * - **Tools.** A choice among some of them that demands none is a shorter list. A strict tool makes the mode `VALIDATED` where calls are not demanded anyway.
 * - **Thinking** is asked for in the words of the model's generation (`thinking.ts`), and thoughts are shown where the caller asks for them or its dialect always shows them.
 * - **What a generation has lost** (sampling, penalties, a closing model turn; `models.ts`) is left out and reported.
 */
import type { Conversation, Instruction, Message, Setting, Tool } from "../../Conversation.ts"
import type { Dialect, Loss, TargetModel } from "../../Dialect.ts"
import { addAll, lossesOf, restore } from "../extras.ts"
import { answering, continuedInstead, goesOn } from "../turns.ts"
import { camel, canonical } from "./names.ts"
import { traitsOf } from "./models.ts"
import { type Body, contentsOf, lose, standing, type Writing } from "./requestContents.ts"
import { acceptable, toOpenApi } from "./schema.ts"
import { amountOf } from "./thinking.ts"

/** The caller's name for a setting. */
const named = ({ conversation }: Writing, setting: Setting): string => conversation.named[setting] ?? setting

const lastName = (path: string | undefined): string => camel(/[^.[\]]*$/.exec(path ?? "")?.[0] ?? "")

const parametersOf = (writing: Writing, { at, schema, strict }: Tool): Body => {
  if (schema === undefined) return {}
  if (writing.own)
    return writing.absent.has(canonical(`${at}.parametersJsonSchema`))
      ? { parameters: toOpenApi(schema) }
      : { parametersJsonSchema: schema }
  const { schema: accepted, structural, unenforced } = acceptable(schema)
  const missing = strict === true ? unenforced : structural
  if (missing.length > 0) lose(writing, `${at}.parameters`, `not enforced: ${missing.map((name) => `\`${name}\``).join(", ")}`)
  return { parametersJsonSchema: accepted }
}

const declarationOf = (writing: Writing, tool: Tool): Body => ({
  name: tool.name,
  ...(tool.description === undefined ? {} : { description: tool.description }),
  ...parametersOf(writing, tool)
})

/** The caller's own tools, in the lists in which they were; entries that hold none are put back as extras. */
const ownTools = (writing: Writing): ReadonlyArray<Body> => {
  const entries = new Map<string, Array<Body>>()
  for (const tool of writing.conversation.tools) {
    const entry = /^\w+\[\d+\]/.exec(tool.at)?.[0] ?? ""
    const list = entries.get(entry)
    if (list === undefined) entries.set(entry, [declarationOf(writing, tool)])
    else list.push(declarationOf(writing, tool))
  }
  return [...entries.values()].map((functionDeclarations) => ({ functionDeclarations }))
}

const writeTools = (writing: Writing, body: Body): void => {
  const { conversation, own, traits } = writing
  const choice = conversation.toolChoice
  const only = !own && choice?._tag === "Among" && !choice.required ? new Set(choice.names) : undefined
  const tools = only === undefined ? conversation.tools : conversation.tools.filter(({ name }) => only.has(name))
  const demanded = choice?._tag === "Required" || choice?._tag === "Named" || (choice?._tag === "Among" && choice.required)
  if (own) {
    if (tools.length > 0) body["tools"] = ownTools(writing)
  } else if (tools.length > 0) body["tools"] = [{ functionDeclarations: tools.map((tool) => declarationOf(writing, tool)) }]
  else if (demanded) return lose(writing, named(writing, "toolChoice"), "there is no tool to call")
  if (!own && tools.length > 0 && conversation.parallelToolCalls === false)
    lose(writing, named(writing, "parallelToolCalls"), "Gemini decides by itself how many tools it calls at once")
  const strict = own || demanded ? [] : tools.filter((tool) => tool.strict === true)
  if (!traits.validates) for (const tool of strict) lose(writing, `${tool.at}.strict`, "this model cannot be held to a schema")
  const auto = strict.length > 0 && traits.validates && choice?._tag !== "None" ? "VALIDATED" : "AUTO"
  if (!own && (tools.length === 0 || (choice === undefined && auto === "AUTO"))) return
  const config = choiceConfig(choice, auto, own)
  if (config !== undefined) body["toolConfig"] = { functionCallingConfig: config }
}

const choiceConfig = (choice: Conversation["toolChoice"], auto: string, own: boolean): Body | undefined => {
  switch (choice?._tag) {
    case undefined:
      return own ? undefined : { mode: auto }
    case "Auto":
      return { mode: auto }
    case "None":
      return { mode: "NONE" }
    case "Required":
      return { mode: "ANY" }
    case "Named":
      return { mode: "ANY", allowedFunctionNames: [choice.name] }
    case "Among":
      if (choice.required) return { mode: "ANY", allowedFunctionNames: choice.names }
      return own ? { mode: auto, allowedFunctionNames: choice.names } : { mode: auto }
  }
}

const writeSampling = (writing: Writing, config: Body): void => {
  const { conversation, own, traits } = writing
  const { frequencyPenalty, presencePenalty, seed, stop, temperature, topK, topP } = conversation.sampling
  const set = (setting: Setting, name: string, value: number | undefined, usual: number | undefined): void => {
    if (value === undefined) return
    if (own || traits.sampling) config[name] = value
    else if (value !== usual) lose(writing, named(writing, setting), "this model does not let its sampling be set")
  }
  set("temperature", "temperature", temperature, 1)
  set("topP", "topP", topP, 1)
  set("topK", "topK", topK, undefined)
  set("frequencyPenalty", "frequencyPenalty", frequencyPenalty, 0)
  set("presencePenalty", "presencePenalty", presencePenalty, 0)
  if (seed !== undefined) config["seed"] = seed
  if (stop !== undefined) {
    config["stopSequences"] = own ? stop : stop.slice(0, 5)
    if (!own && stop.length > 5) lose(writing, named(writing, "stop"), "Gemini takes five stop sequences, and the first five are sent")
  }
}

const writeFormat = (writing: Writing, config: Body, hasTools: boolean): void => {
  const { conversation, own, traits } = writing
  const { format } = conversation
  if (format === undefined) return
  if (own) return writeOwnFormat(writing, config)
  if (format._tag === "Text") return
  if (hasTools && !traits.formatWithTools)
    return lose(writing, named(writing, "format"), "before Gemini 3 a format cannot be asked for beside tools")
  config["responseMimeType"] = "application/json"
  if (format._tag === "JsonObject") return
  const { schema, unenforced } = acceptable(format.schema)
  if (unenforced.length > 0)
    lose(writing, format.at ?? named(writing, "format"), `not enforced: ${unenforced.map((name) => `\`${name}\``).join(", ")}`)
  const described = format.description !== undefined && schema["description"] === undefined && schema["$ref"] === undefined
  config["responseJsonSchema"] = described ? { ...schema, description: format.description } : schema
}

const writeOwnFormat = ({ conversation: { format } }: Writing, config: Body): void => {
  if (format === undefined) return
  config["responseMimeType"] = format._tag === "Text" ? "text/plain" : "application/json"
  if (format._tag !== "JsonSchema") return
  const field = lastName(format.at)
  config[field === "" ? "responseJsonSchema" : field] = field === "responseSchema" ? toOpenApi(format.schema) : format.schema
}

/** What asks for the caller's own amount, in its own words; undefined where the amount is not its own. */
const ownAmount = ({ conversation: { named, thinking } }: Writing): Body | undefined => {
  const field = lastName(named.thinking)
  if (thinking?._tag === "Auto") return field === "thinkingBudget" ? { thinkingBudget: -1 } : field === "includeThoughts" ? {} : undefined
  if (thinking?._tag === "Budget") return field === "thinkingBudget" ? { thinkingBudget: thinking.tokens } : undefined
  if (thinking?.effort === "none") return field === "thinkingBudget" ? { thinkingBudget: 0 } : undefined
  return field === "thinkingLevel" && thinking !== undefined ? { thinkingLevel: thinking.effort.toUpperCase() } : undefined
}

const writeThinking = (writing: Writing, config: Body): void => {
  const { conversation, own, traits } = writing
  const { dialect, thinking } = conversation
  if (thinking === undefined) return
  const ownConfig = own ? ownAmount(writing) : undefined
  const { config: amount, loss } =
    ownConfig === undefined ? amountOf(thinking, traits, conversation.maxOutputTokens) : { config: ownConfig }
  if (loss !== undefined) lose(writing, named(writing, "thinking"), loss)
  const off = thinking._tag === "Effort" && thinking.effort === "none"
  // A thinking Claude always shows what it thinks.
  const show = own ? thinking.show : thinking.show === undefined ? dialect === "messages" : thinking.show !== false
  const shown = own
    ? show === undefined
      ? {}
      : { includeThoughts: show !== false }
    : show === true && !off && traits.thinking !== "none"
      ? { includeThoughts: true }
      : {}
  const written = { ...amount, ...shown }
  if (Object.keys(written).length > 0) config["thinkingConfig"] = written
}

const writeConfig = (writing: Writing, body: Body, target: TargetModel): void => {
  const { conversation, own } = writing
  const config: Body = {}
  writeSampling(writing, config)
  const { answers, maxOutputTokens } = conversation
  if (maxOutputTokens !== undefined) {
    const limit = target.maxOutputTokens ?? Infinity
    config["maxOutputTokens"] = Math.min(maxOutputTokens, limit)
    if (maxOutputTokens > limit) lose(writing, named(writing, "maxOutputTokens"), `the target answers with at most ${limit} tokens`)
  }
  if (own && conversation.named.answers !== undefined) config["candidateCount"] = answers
  // An answer is translated with its first candidate alone, and the others would be paid for.
  if (!own && answers > 1) lose(writing, named(writing, "answers"), "one answer is given")
  writeFormat(writing, config, body["tools"] !== undefined)
  writeThinking(writing, config)
  if (Object.keys(config).length > 0) body["generationConfig"] = config
}

/** Instructions that stand among the messages, told as lost in their place. */
const laterInstructions = (writing: Writing): ReadonlyArray<Instruction> =>
  writing.conversation.messages.flatMap((message) => {
    if (message.role !== "system" && message.role !== "developer") return []
    return message.parts.flatMap((part): ReadonlyArray<Instruction> => {
      const at = part.at ?? message.at
      if (part._tag !== "Text") lose(writing, at, "only text can be an instruction")
      else if (part.text !== "") {
        lose(writing, at, "this instruction is moved before the conversation: Gemini takes none in this place")
        return [{ role: "system", text: part.text, at }]
      }
      return []
    })
  })

const asSaid = ({ at, text }: Instruction): Message => ({ role: "user", parts: [{ _tag: "Text", text, at }], at })

const writeMessages = (writing: Writing, body: Body): void => {
  const { conversation, own, traits } = writing
  const before = own ? conversation.system : conversation.system.filter(({ text }) => text !== "")
  const all = own ? before : [...before, ...laterInstructions(writing)]
  const messages = own
    ? conversation.messages
    : answering(
        conversation.messages.filter(({ role }) => role !== "system" && role !== "developer"),
        (at, reason) => lose(writing, at, reason)
      )
  let instructions = all
  let contents = contentsOf(writing, messages)
  const last = all.at(-1)
  if (contents.length === 0 && !own && last !== undefined) {
    lose(writing, last.at, "a conversation needs a message, so this instruction is sent as the user's")
    instructions = all.slice(0, -1)
    contents = contentsOf(writing, [asSaid(last)])
  }
  if (instructions.length > 0) body["systemInstruction"] = { parts: instructions.map(({ text }) => ({ text })) }
  if (!own && contents.at(-1)?.["role"] === "model") {
    const place = messages.at(-1)?.at ?? "messages"
    if (!traits.prefill) lose(writing, place, "this model refuses a conversation that ends with the assistant")
    else if (!goesOn(conversation.dialect)) lose(writing, place, continuedInstead)
  }
  body["contents"] = contents
}

/** Puts back what the caller of this dialect said beyond the model; what finds no place is lost. */
const putBack = (body: Body, conversation: Conversation): ReadonlyArray<Loss> => {
  const extras = conversation.extras.map((extra) => ({ ...extra, field: canonical(extra.field) }))
  if (conversation.metadata !== undefined) body["labels"] = conversation.metadata
  const left = restore(body, extras)
  body["contents"] = standing(body["contents"])
  return lossesOf(left, "the request")
}

/** Encodes a conversation as the body of a generateContent request. */
export const encodeRequest: Dialect["encodeRequest"] = (conversation, target) => {
  const own = conversation.dialect === "generateContent"
  const writing: Writing = {
    conversation,
    own,
    traits: traitsOf(target.model),
    callIds: target.habits?.callIds !== false,
    losses: [],
    absent: new Set(own ? conversation.extras.flatMap(({ field, value }) => (value === undefined ? [canonical(field)] : [])) : []),
    names: new Map()
  }
  const body: Body = {}
  writeMessages(writing, body)
  writeTools(writing, body)
  writeConfig(writing, body, target)
  if (own) addAll(writing.losses, putBack(body, conversation))
  else {
    if (conversation.userId !== undefined) lose(writing, named(writing, "userId"), "Gemini is not told who the end user is")
    addAll(writing.losses, lossesOf(conversation.extras, "Gemini's API"))
  }
  return { body, losses: writing.losses }
}
