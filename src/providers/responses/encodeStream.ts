/**
 * A streamed answer as callers of the Responses API read it: numbered events, in the order in which the API sends them.
 *
 *     response.created, response.in_progress
 *       output_item.added
 *         content_part.added, output_text.delta …, output_text.done, content_part.done        (a message)
 *         reasoning_summary_part.added, reasoning_summary_text.delta …, .done, part.done       (reasoning)
 *         function_call_arguments.delta …, .done                                               (a call)
 *       output_item.done
 *     response.completed, or response.incomplete, with the whole response and its usage
 *
 * Messages and reasoning follow each other, calls may be under way beside them and beside each other: each has its own place in the output. What was said is gathered for the
 * last event. The first event waits for the first step that says something, since only then it is known whether the provider speaks the same dialect, whose extras are given
 * back; what it told of its own tools' progress and of its queue is not. A stream that fails ends with `error` and nothing after it.
 *
 * Each step copies the state once and writes into the copy, so that a state can be stepped from twice.
 *
 * Source: https://platform.openai.com/docs/api-reference/responses-streaming.
 */
import { toldOf } from "../broken.ts"
import { nobodys } from "../seal.ts"
import type { Citation, Extra, Seal, StopReason, StreamEvent } from "../../Conversation.ts"
import type { AnswerContext, StreamEncoder } from "../../Dialect.ts"
import { failed } from "../../GatewayError.ts"
import { isObject, type Json, print } from "../json.ts"
import { statusOf } from "./answer.ts"
import { writeCitation } from "./citations.ts"
import { numberedErrorEvent } from "./error.ts"
import {
  emit,
  type Encoding,
  head,
  indexOf,
  initial,
  lose,
  type OpenItem,
  type OpenPart,
  outputOf,
  partNames,
  partOf,
  type Pen,
  placeOf,
  type Shown,
  withExtras
} from "./pen.ts"
import {
  type Body,
  callItem,
  echoOf,
  imageItem,
  messageItem,
  noNames,
  printable,
  reasoningItem,
  responseOf,
  restoreSafely,
  taken,
  what
} from "./write.ts"

/** A stream encoder for one answer. */
export const streamEncoder = (context: AnswerContext): StreamEncoder<Encoding> => {
  let echo: Json | undefined

  const snapshot = (pen: Pen, stop: StopReason | undefined): Body => {
    const { id, own, refused } = pen
    const made = { context, id, own, output: outputOf(pen), stop, refused, usage: stop === undefined ? undefined : pen.usage }
    if (!own) return responseOf(made, (echo ??= echoOf(context)))
    const body = responseOf(made, {})
    restoreSafely(
      body,
      pen.extras.filter(({ field }) => !field.startsWith("output["))
    )
    if (stop === undefined) body["status"] = "in_progress"
    return body
  }

  const open = (pen: Pen): void => {
    if (pen.id !== "") return
    const own = pen.own ? pen.theirs : undefined
    pen.id = own === undefined || own === "" ? `resp_${context.id}` : own
    const response = `"response":${print(snapshot(pen, undefined))}`
    emit(pen, "response.created", response)
    emit(pen, "response.in_progress", response)
  }

  const isUsed = (pen: Pen, key: "id" | "call_id", id: string): boolean => {
    if (pen.calls.some((call) => (key === "id" ? call.id : call.callId) === id)) return true
    for (let done = pen.done; done !== undefined; done = done.before) if (done.item[key] === id) return true
    return false
  }

  /** `id`, or the first like it that is not in use. */
  const unused = (pen: Pen, key: "id" | "call_id", id: string): string => {
    if (!isUsed(pen, key, id)) return id
    const names = noNames()
    for (const call of pen.calls) names.used.add(key === "id" ? call.id : call.callId)
    for (let done = pen.done; done !== undefined; done = done.before) names.used.add(String(done.item[key]))
    return taken(names, id)
  }

  const newId = (pen: Pen, prefix: string, known?: string): string => {
    const id = pen.given ?? known ?? `${prefix}_${context.id}_${pen.items}`
    pen.given = undefined
    return unused(pen, "id", id)
  }

  const finished = (pen: Pen, output: number, item: Body): void => {
    const whole = withExtras(pen, `output[${output}]`, item)
    pen.done = { output, item: whole, before: pen.done }
    emit(pen, "response.output_item.done", `"output_index":${output},"item":${print(whole)}`)
  }

  const added = (pen: Pen, item: Body): number => {
    emit(pen, "response.output_item.added", `"output_index":${pen.items},"item":${print(item)}`)
    return pen.items++
  }

  const closePart = (pen: Pen): void => {
    const { item, part, text } = pen
    if (item === undefined || part === undefined) return
    const [partName, textName] = partNames[part.kind]
    const inside = part.kind === "summary" ? "summary" : "content"
    const value = withExtras(pen, `output[${item.output}].${inside}[${part.index}]`, partOf(pen, part.kind, text, part.annotations))
    const at = indexOf(item, part)
    const likely = part.kind === "text" ? `,"logprobs":${print(value["logprobs"] ?? [])}` : ""
    emit(pen, `response.${textName}.done`, `${at},"${part.kind === "refusal" ? "refusal" : "text"}":${JSON.stringify(text)}${likely}`)
    emit(pen, `response.${partName}.done`, `${at},"part":${print(value)}`)
    pen.item = { ...item, [inside]: [...item[inside], value] }
    pen.part = undefined
    pen.text = ""
  }

  const closeItem = (pen: Pen, status = "completed", seal?: Seal): void => {
    closePart(pen)
    const { item } = pen
    if (item === undefined) return
    pen.item = undefined
    const { content, id, output, summary, type } = item
    const known = seal ?? (pen.own ? undefined : nobodys("responses"))
    finished(pen, output, type === "message" ? messageItem(id, content, status) : reasoningItem(id, summary, content, known))
  }

  /** An item that comes in one piece. */
  const wholeItem = (pen: Pen, item: Body, first: Body = item): void => {
    closeItem(pen)
    pen.given = undefined
    finished(pen, added(pen, first), item)
  }

  const sealed = (pen: Pen, seal: Seal): void => {
    closeItem(pen)
    const id = newId(pen, "rs", seal.dialect === "responses" ? seal.id : undefined)
    wholeItem(pen, reasoningItem(id, [], [], seal), reasoningItem(id, [], []))
  }

  const openItem = (pen: Pen, type: OpenItem["type"]): OpenItem => {
    if (pen.item?.type === type && (pen.given === undefined || pen.given === pen.item.id)) return pen.item
    closeItem(pen)
    const id = newId(pen, type === "message" ? "msg" : "rs")
    const output = added(pen, type === "message" ? messageItem(id, [], "in_progress") : reasoningItem(id, [], []))
    const item: OpenItem = { type, id, output, content: [], summary: [] }
    pen.item = item
    return item
  }

  /** The part of this kind that is under way, or a new one. */
  const openPart = (pen: Pen, kind: Shown): OpenPart => {
    if (pen.part?.kind === kind && pen.given === undefined) return pen.part
    const type = kind === "text" || kind === "refusal" ? "message" : "reasoning"
    if (pen.item?.type === type) closePart(pen)
    const item = openItem(pen, type)
    pen.given = undefined
    const [partName, textName] = partNames[kind]
    const index = (kind === "summary" ? item.summary : item.content).length
    const at = indexOf(item, { kind, index })
    const empty = kind === "text" ? { ...partOf(pen, kind, "", []), logprobs: [] } : partOf(pen, kind, "", [])
    emit(pen, `response.${partName}.added`, `${at},"part":${print(empty)}`)
    const part: OpenPart = { kind, index, head: `${head(`response.${textName}.delta`)}${at},"delta":`, annotations: [] }
    pen.part = part
    return part
  }

  const say = (pen: Pen, kind: Shown, text: string): void => {
    const part = openPart(pen, kind)
    pen.text += text
    pen.out += `${part.head}${JSON.stringify(text)}${kind === "text" ? `,"logprobs":[]` : ""},"sequence_number":${pen.sequence++}}\n\n`
  }

  const cite = (pen: Pen, citation: Citation): void => {
    const annotation = writeCitation(citation, pen.own, pen.part?.kind === "text" ? pen.text.length : 0)
    if (annotation === undefined || !printable(annotation)) return lose(pen, "citations", `${what} cites by address, and a source has none`)
    const part = openPart(pen, "text")
    const at = indexOf(pen.item!, part)
    emit(
      pen,
      "response.output_text.annotation.added",
      `${at},"annotation_index":${part.annotations.length},"annotation":${print(annotation)}`
    )
    pen.part = { ...part, annotations: [...part.annotations, annotation] }
  }

  const startCall = (pen: Pen, event: Extract<StreamEvent, { readonly _tag: "ToolCallStart" }>): void => {
    if (pen.calls.some(({ index }) => index === event.index)) return
    const { given } = pen
    pen.given = undefined
    if (event.seal === undefined) closeItem(pen)
    else sealed(pen, event.seal)
    pen.given = given
    const callId = unused(pen, "call_id", event.id === "" ? `call_${context.id}_${event.index}` : event.id)
    const id = newId(pen, "fc")
    const output = added(pen, callItem(id, callId, event.name, "", "in_progress"))
    const at = placeOf({ id, output })
    const begun = `${head("response.function_call_arguments.delta")}${at},"delta":`
    pen.calls = [...pen.calls, { index: event.index, id, output, callId, name: event.name, arguments: "", head: begun }]
  }

  const argue = (pen: Pen, index: number, text: string): void => {
    const call = pen.calls.find((one) => one.index === index)
    if (call === undefined || text === "") return
    pen.out += `${call.head}${JSON.stringify(text)},"sequence_number":${pen.sequence++}}\n\n`
    const more = { ...call, arguments: call.arguments + text }
    pen.calls = pen.calls.length === 1 ? [more] : pen.calls.map((one) => (one === call ? more : one))
  }

  const endCall = (pen: Pen, index: number): void => {
    // Readers parse the arguments, and a call without any has an empty object.
    if (!pen.own && pen.calls.some((call) => call.index === index && call.arguments === "")) argue(pen, index, "{}")
    const call = pen.calls.find((one) => one.index === index)
    if (call === undefined) return
    pen.calls = pen.calls.filter((one) => one !== call)
    emit(
      pen,
      "response.function_call_arguments.done",
      `${placeOf(call)},"name":${JSON.stringify(call.name)},"arguments":${JSON.stringify(call.arguments)}`
    )
    finished(pen, call.output, callItem(call.id, call.callId, call.name, call.arguments))
  }

  const whole = (pen: Pen, { part }: Extract<StreamEvent, { readonly _tag: "Whole" }>): void => {
    if (part._tag === "Image") {
      const item = imageItem(newId(pen, "ig"), part)
      if (item === undefined) lose(pen, "content", `${what} holds no pictures by address`)
      else wholeItem(pen, item, { ...item, status: "in_progress", result: null })
      return
    }
    if (part._tag !== "Foreign") return lose(pen, "content", `${what} holds no such content`)
    if (!pen.own || !isObject(part.value) || !printable(part.value))
      return lose(pen, part.at ?? "content", `\`${part.type}\` has no place in ${what} of another provider`)
    if (part.at?.includes("].content[") !== true) return wholeItem(pen, { ...part.value })
    if (pen.item?.type === "message") closePart(pen)
    const item = openItem(pen, "message")
    pen.given = undefined
    const at = indexOf(item, { kind: "text", index: item.content.length })
    emit(pen, "response.content_part.added", `${at},"part":${print(part.value)}`)
    emit(pen, "response.content_part.done", `${at},"part":${print(part.value)}`)
    pen.item = { ...item, content: [...item.content, { ...part.value }] }
  }

  /** What the provider's own dialect says besides: the events and the response say it again. */
  const keep = (pen: Pen, extra: Extra): void => {
    const { field, value } = extra
    if (pen.id === "" && field === "object" && value === "response") pen.own = true
    if (!pen.own) return
    if (!printable(value)) return lose(pen, field, "it is nested too deeply")
    if (field.endsWith(".type") && value === "reasoning_text") pen.thought = true
    else if (field.startsWith("output[") && field.endsWith("]") && field.indexOf("]") === field.length - 1) {
      if (!isObject(value)) return
      open(pen)
      closeItem(pen)
      const { id } = value
      if (typeof id !== "string" || !isUsed(pen, "id", id)) wholeItem(pen, { ...value })
    } else pen.extras = [...pen.extras, extra]
  }

  const end = (pen: Pen): void => {
    const stop = pen.stop ?? "unknown"
    for (const { index } of pen.calls) endCall(pen, index)
    // A message that calls follow is whole, whether or not they have ended.
    closeItem(pen, pen.item?.output === pen.items - 1 ? statusOf(stop, pen.refused).status : "completed")
    const body = snapshot(pen, stop)
    emit(pen, body["status"] === "incomplete" ? "response.incomplete" : "response.completed", `"response":${print(body)}`)
    pen.over = true
  }

  const write = (pen: Pen, event: StreamEvent): void => {
    switch (event._tag) {
      case "Item":
        pen.given = event.id
        return
      case "TextDelta":
        return say(pen, "text", event.text)
      case "RefusalDelta":
        pen.refused = true
        return say(pen, "refusal", event.text)
      case "ReasoningDelta": {
        if (!pen.thought && pen.part?.kind === "thought" && pen.given === undefined) return say(pen, "thought", event.text)
        const kind = pen.thought ? "thought" : "summary"
        pen.thought = false
        return say(pen, kind, event.text)
      }
      case "Cited":
        return cite(pen, event.citation)
      case "PartEnd":
        // Each thought of another dialect is an item of its own, because an item has one seal.
        if (pen.item?.type === "reasoning" && !pen.own) closeItem(pen)
        else closePart(pen)
        return
      case "Sealed":
        if (pen.item?.type === "reasoning") return closeItem(pen, undefined, event.seal)
        return sealed(pen, event.seal)
      case "SealedReasoning":
        return sealed(pen, event.seal)
      case "ToolCallStart":
        return startCall(pen, event)
      case "ToolCallDelta":
        return argue(pen, event.index, event.arguments)
      case "ToolCallEnd":
        return endCall(pen, event.index)
      case "Whole":
        return whole(pen, event)
      case "Stop":
        pen.stop ??= toldOf(event.reason, event.broken)
        return
      case "End":
        return end(pen)
      case "Start":
      case "Extra":
      case "Usage":
      case "Failed":
        return
    }
  }

  return {
    initial,
    step: (state, event) => {
      if (state.over) return [state, ""]
      const pen: Pen = { ...state, out: "", losses: undefined }
      switch (event._tag) {
        case "Failed": {
          pen.over = true
          const error = { ...failed(context.model, event.failure), message: event.failure.message }
          return [pen, numberedErrorEvent(error, pen.sequence)]
        }
        case "Start":
          pen.theirs ??= event.id
          return [pen, ""]
        case "Usage":
          pen.usage = event.usage
          return [pen, ""]
        case "Extra":
          keep(pen, event.extra)
          break
        default:
          open(pen)
          write(pen, event)
      }
      const { losses, out } = pen
      return losses === undefined ? [pen, out] : [pen, out, losses]
    }
  }
}
