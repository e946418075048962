/**
 * Responses as their callers read them: the object itself, its items and what it repeats of the request; and whole answers.
 *
 * Reasoning is written as an item with a summary, and whatever seals it as `encrypted_content`, asked for or not: a caller that keeps no state on the provider's side must be able to send it
 * back, or the model forgets. A seal of another dialect stands there wrapped (`../seal.ts`).
 *
 * Source: openai SDK, `Response`.
 */
import type { Answer, Extra, Image, Part, Seal, StopReason, Usage } from "../../Conversation.ts"
import type { AnswerContext, Loss, Written } from "../../Dialect.ts"
import { toldOf } from "../broken.ts"
import { lossesOf, restore } from "../extras.ts"
import { isObject, type Json } from "../json.ts"
import { nobodys, sealText } from "../seal.ts"
import { statusOf } from "./answer.ts"
import { writeCitation } from "./citations.ts"
import { writeUsage } from "./usage.ts"

/** A JSON object being written. */
export type Body = Record<string, unknown>

/** The dialect, as losses name it. */
export const what = "a response"

/** An output text. The provider's own says by an extra that it has `logprobs`. */
export const textPart = (text: string, annotations: ReadonlyArray<unknown>, own: boolean): Body =>
  own ? { type: "output_text", annotations, text } : { type: "output_text", annotations, logprobs: [], text }

export const refusalPart = (refusal: string): Body => ({ type: "refusal", refusal })

export const messageItem = (id: string, content: ReadonlyArray<unknown>, status: string): Body => ({
  id,
  type: "message",
  status,
  content,
  role: "assistant"
})

export const reasoningItem = (id: string, summary: ReadonlyArray<unknown>, content: ReadonlyArray<unknown>, seal?: Seal): Body => ({
  id,
  type: "reasoning",
  summary,
  ...(content.length === 0 ? {} : { content }),
  ...(seal === undefined ? {} : { encrypted_content: sealText(seal, "responses") })
})

/** A function call. A stream has ended it before it is known why the answer stopped, so it is never `incomplete`: the response is. */
export const callItem = (
  id: string | undefined,
  callId: string,
  name: string,
  written: string,
  status: "in_progress" | "completed" = "completed"
): Body => ({
  ...(id === undefined ? {} : { id }),
  type: "function_call",
  status,
  arguments: written,
  call_id: callId,
  name
})

/** A picture as the provider's own tool for pictures gives it; undefined where its bytes are elsewhere. */
export const imageItem = (id: string, { source }: Image): Body | undefined =>
  source._tag !== "Base64"
    ? undefined
    : {
        id,
        type: "image_generation_call",
        status: "completed",
        output_format: source.mediaType.slice(source.mediaType.indexOf("/") + 1),
        result: source.data
      }

/** Names that readers tell items and calls apart by, and for each that was wanted again, where to look for the next like it. */
export interface Names {
  readonly used: Set<string>
  readonly next: Map<string, number>
}
export const noNames = (): Names => ({ used: new Set(), next: new Map() })

/** Takes `id`, or where that is taken, the first of `id_1`, `id_2`, … that is free. What is taken stays taken, so none is looked at twice. */
export const taken = ({ next, used }: Names, id: string): string => {
  let found = id
  if (used.has(id)) {
    let more = next.get(id) ?? 1
    while (used.has((found = `${id}_${more}`))) more++
    next.set(id, more + 1)
  }
  used.add(found)
  return found
}

/** Far below what overflows the engine's own stack when it prints, far above what anyone means. */
const deepest = 1_000

/** Whether a value can be printed: one that is nested too deeply would take the rest of the answer with it. */
export const printable = (value: unknown): boolean => {
  let level: ReadonlyArray<unknown> = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > deepest) return false
    const next: Array<unknown> = []
    for (const one of level) {
      if (typeof one !== "object" || one === null) continue
      for (const inner of Object.values(one)) if (typeof inner === "object" && inner !== null) next.push(inner)
    }
    level = next
  }
  return true
}

/** What a response repeats of its request, and the defaults that the API would state where the request says nothing. */
export const echoOf = ({ request }: AnswerContext): Body => {
  const say = (name: string, otherwise: unknown, fits: (value: unknown) => boolean = () => true): unknown => {
    const value = Object.hasOwn(request, name) ? request[name] : undefined
    return value === undefined || value === null || !fits(value) || !printable(value) ? otherwise : value
  }
  const text = say("text", {}, isObject) as Json
  const reasoning = say("reasoning", {}, isObject) as Json
  return {
    background: false,
    instructions: say("instructions", null),
    max_output_tokens: say("max_output_tokens", null),
    max_tool_calls: say("max_tool_calls", null),
    metadata: say("metadata", {}, isObject),
    parallel_tool_calls: say("parallel_tool_calls", true),
    previous_response_id: null,
    prompt_cache_key: say("prompt_cache_key", null),
    reasoning: { effort: null, summary: null, ...reasoning },
    safety_identifier: say("safety_identifier", null),
    service_tier: "default",
    store: false,
    temperature: say("temperature", 1),
    text: { format: { type: "text" }, ...text },
    tool_choice: say("tool_choice", "auto"),
    tools: say("tools", [], Array.isArray),
    top_logprobs: say("top_logprobs", 0),
    top_p: say("top_p", 1),
    truncation: say("truncation", "disabled"),
    user: say("user", null)
  }
}

/** What a response is made of. */
export interface Made {
  readonly context: AnswerContext
  readonly id: string
  /** Whether the provider speaks the same dialect: then it has told what it repeats of the request. */
  readonly own: boolean
  readonly output: ReadonlyArray<unknown>
  /** Undefined while the answer is under way. */
  readonly stop: StopReason | undefined
  readonly refused: boolean
  readonly usage: Usage | undefined
}

/** A response object. */
export const responseOf = ({ context, id, output, own, refused, stop, usage }: Made, echo: Json): Body => {
  const { reason, status } = stop === undefined ? { status: "in_progress", reason: undefined } : statusOf(stop, refused)
  return {
    id,
    object: "response",
    created_at: context.createdSeconds,
    status,
    error: null,
    incomplete_details: reason === undefined ? null : { reason },
    ...(own ? {} : echo),
    model: context.model,
    output,
    usage: usage === undefined ? null : writeUsage(usage)
  }
}

/** An answer's parts on their way into items. */
interface Drafted {
  readonly own: boolean
  readonly context: AnswerContext
  readonly output: Array<Body>
  readonly ids: Names
  readonly callIds: Names
  readonly losses: Array<Loss>
  /** The item that the next part may join. */
  joined: { readonly type: "message" | "reasoning"; readonly item: string | undefined; readonly into: Body } | undefined
  calls: number
}

const newId = (drafted: Drafted, prefix: string, given: string | undefined): string =>
  taken(drafted.ids, given ?? `${prefix}_${drafted.context.id}_${drafted.output.length}`)

const push = (drafted: Drafted, item: Body): void => {
  drafted.joined = undefined
  drafted.output.push(item)
}

/** Adds a part to the message under way, or begins one. */
const intoMessage = (drafted: Drafted, part: unknown, item: string | undefined): void => {
  const { joined } = drafted
  if (joined?.type === "message" && joined.item === item) {
    ;(joined.into["content"] as Array<unknown>).push(part)
    return
  }
  const into = messageItem(newId(drafted, "msg", item), [part], "completed")
  push(drafted, into)
  drafted.joined = { type: "message", item, into }
}

const sealed = (drafted: Drafted, seal: Seal, item: string | undefined): void =>
  push(drafted, reasoningItem(newId(drafted, "rs", item ?? (seal.dialect === "responses" ? seal.id : undefined)), [], [], seal))

const intoReasoning = (drafted: Drafted, part: Extract<Part, { readonly _tag: "Reasoning" }>): void => {
  const { at, item, seal, text } = part
  const { joined } = drafted
  // Where the provider wrote a thought tells which of the two lists it belongs to.
  const shown = drafted.own && at?.includes("].content[") === true
  const entry = { type: shown ? "reasoning_text" : "summary_text", text }
  const joins = item !== undefined && joined?.type === "reasoning" && joined.item === item
  const given = item ?? (seal?.dialect === "responses" ? seal.id : undefined)
  // An item of ours without a seal would be looked for at the provider, which never had it.
  const into = joins ? joined.into : reasoningItem(newId(drafted, "rs", given), [], [], drafted.own ? undefined : nobodys("responses"))
  if (!joins) push(drafted, into)
  const key = shown ? "content" : "summary"
  ;((into[key] ??= []) as Array<unknown>).push(entry)
  if (seal !== undefined) into["encrypted_content"] = sealText(seal, "responses")
  drafted.joined = seal === undefined ? { type: "reasoning", item, into } : undefined
}

const place = (drafted: Drafted, part: Part, index: number): void => {
  const { context, own } = drafted
  const lose = (more: string, reason: string): void =>
    void drafted.losses.push({ field: `${part.at ?? `content[${index}]`}${more}`, reason })
  switch (part._tag) {
    case "Text": {
      if (part.seal !== undefined) sealed(drafted, part.seal, undefined)
      const { citations = [], text } = part
      const annotations = citations.flatMap((citation) => writeCitation(citation, own, text.length) ?? []).filter(printable)
      if (annotations.length < citations.length) lose(".citations", `${what} cites by address, and a source has none`)
      return intoMessage(drafted, textPart(text, annotations, own), part.item)
    }
    case "Refusal":
      return intoMessage(drafted, refusalPart(part.text), part.item)
    case "Reasoning":
      return intoReasoning(drafted, part)
    case "SealedReasoning":
      return sealed(drafted, part.seal, part.item)
    case "ToolCall": {
      if (part.seal !== undefined) sealed(drafted, part.seal, undefined)
      const callId = taken(drafted.callIds, part.id === "" ? `call_${context.id}_${drafted.calls}` : part.id)
      drafted.calls++
      const id = own && part.item === undefined ? undefined : newId(drafted, "fc", part.item)
      return push(drafted, callItem(id, callId, part.name, part.arguments === "" && !own ? "{}" : part.arguments))
    }
    case "Foreign":
      if (!own || !isObject(part.value) || !printable(part.value))
        return lose("", `\`${part.type}\` has no place in ${what} of another provider`)
      return part.at?.includes("].content[") === true ? intoMessage(drafted, part.value, part.item) : push(drafted, { ...part.value })
    case "Image": {
      const item = imageItem(newId(drafted, "ig", part.item), part)
      return item === undefined ? lose("", `${what} holds no pictures by address`) : push(drafted, item)
    }
    case "File":
    case "Audio":
    case "ToolResult":
      return lose("", `${what} holds no such content`)
  }
}

const isRefusal = ({ _tag }: Part): boolean => _tag === "Refusal"

/** Encodes a whole answer as a response. */
export const encodeAnswer = (answer: Answer, context: AnswerContext): Written => {
  const own = answer.dialect === "responses"
  const drafted: Drafted = {
    own,
    context,
    output: [],
    ids: noNames(),
    callIds: noNames(),
    losses: [],
    joined: undefined,
    calls: 0
  }
  answer.parts.forEach((part, index) => place(drafted, part, index))
  const refused = answer.parts.some(isRefusal)
  const last = drafted.output.at(-1)
  const stop = toldOf(answer.stop, answer.broken)
  if (last?.["type"] === "message" && !own) last["status"] = statusOf(stop, refused).status
  const id = (own ? answer.id : undefined) ?? `resp_${context.id}`
  const made: Made = { context, id, own, output: drafted.output, stop, refused, usage: answer.usage }
  const body = responseOf(made, own ? {} : echoOf(context))
  const unsaid: ReadonlyArray<Extra> = own ? restoreSafely(body, answer.extras) : answer.extras
  return { body, losses: [...drafted.losses, ...lossesOf(unsaid, what)] }
}

/** Puts back the extras that can be printed; returns the others, and those whose place is not there. */
export const restoreSafely = (body: Body, extras: ReadonlyArray<Extra>): ReadonlyArray<Extra> => {
  const [safe, deep]: [Array<Extra>, Array<Extra>] = [[], []]
  for (const extra of extras) (printable(extra.value) ? safe : deep).push(extra)
  return [...deep, ...restore(body, safe)]
}
