/**
 * A `chat.completion` of a provider, decoded. Runs once a call that is translated.
 *
 * Compatible hosts add fields of their own everywhere; each is an extra at its path, so that a caller of this dialect gets it back and no other misses it in silence.
 */
import * as Result from "effect/Result"
import type { Answer, Extra, Part, Text } from "../../../Conversation.ts"
import type { Failure } from "../../../Failure.ts"
import { emptyAnswer, isThought } from "../../broken.ts"
import { noteOthers, present } from "../../extras.ts"
import { malformed } from "../../failures.ts"
import { field, isObject, type Json, listAt, print, textAt } from "../../json.ts"
import { citationOf } from "../citations.ts"
import { failureIn } from "../failure.ts"
import { finishOf, isInterrupted, isOdd, noSuchReason, stopOf } from "../finish.ts"
import { sourceOf, urlOf } from "../media.ts"
import { asWritten } from "../reading.ts"
import { googleContent, googleSignature, hostSeal, sealingKeys } from "../seals.ts"
import { usageOf, usageExtras } from "../usage.ts"

/** Sources that a host names beside the text. */
const sources = new Set(["citations", "search_results"])

const answerKeys = new Set(["id", "model", "choices", "usage"])
const choiceKeys = new Set(["index", "message", "finish_reason", "logprobs"])
const messageKeys = new Set([
  "role",
  "content",
  "refusal",
  "reasoning",
  "reasoning_content",
  "tool_calls",
  "function_call",
  "annotations",
  "images",
  ...sealingKeys
])
const callKeys = new Set(["id", "type", "function"])
const functionKeys = new Set(["name", "arguments"])

const at = "choices[0].message"

/** Whether logprobs say anything: hosts also send the object empty. */
export const saysLogprobs = (value: unknown): boolean => listAt(value, "content").length + listAt(value, "refusal").length > 0

/** Mistral's thinking: a part that holds texts. */
export const thinkingOf = (part: unknown): string | undefined =>
  textAt(part, "type") === "thinking"
    ? listAt(part, "thinking")
        .map((one) => textAt(one, "text") ?? "")
        .join("")
    : undefined

/** A call's arguments as text; a few hosts send the object. */
export const argumentsOf = (called: unknown): string => {
  const value = field(called, "arguments")
  return typeof value === "string" ? value : present(value) ? print(value) : ""
}

/** The id of a call: one that another call of the answer has already is no id, and results go to calls by theirs. */
export const ownId = (id: string, position: number, taken: boolean): string => (taken && id !== "" ? `${id}_${position}` : id)

interface Reading {
  readonly parts: Array<Part>
  readonly extras: Array<Extra>
}

const readReasoning = ({ extras, parts }: Reading, message: Json): void => {
  const { reasoning, reasoning_content: content } = message
  const sealed = Object.fromEntries(sealingKeys.flatMap((key) => (present(message[key]) ? [[key, message[key]]] : [])))
  const seal = hostSeal(sealed)
  const text = typeof content === "string" && content !== "" ? content : typeof reasoning === "string" ? reasoning : ""
  if (text !== "") parts.push({ _tag: "Reasoning", text, ...(seal === undefined ? {} : { seal }) })
  else if (seal !== undefined) parts.push({ _tag: "SealedReasoning", seal })
  if (seal === undefined) for (const [key, value] of Object.entries(sealed)) extras.push({ field: `${at}.${key}`, value, matters: false })
  if ((content !== text || content === "") && (text !== "" || present(content)))
    asWritten(extras, `${at}.reasoning_content`, content ?? undefined)
  if (present(reasoning)) asWritten(extras, `${at}.reasoning`, reasoning)
}

/** The text with the sources that it cites. */
const cited = ({ extras }: Reading, text: string, message: Json): Text => {
  const citations = listAt(message, "annotations").flatMap((annotation, index) => {
    const citation = citationOf(annotation)
    if (citation === undefined) extras.push({ field: `${at}.annotations[${index}]`, value: annotation, matters: true })
    return citation ?? []
  })
  return { _tag: "Text", text, ...(citations.length === 0 ? {} : { citations }) }
}

const readContent = (reading: Reading, message: Json): void => {
  const { extras, parts } = reading
  const { annotations, content } = message
  if (typeof content === "string" && content !== "") parts.push(cited(reading, content, message))
  else {
    if (Array.isArray(annotations) && annotations.length > 0)
      extras.push({ field: `${at}.annotations`, value: annotations, matters: true, reason: "there is no text that cites these sources" })
    if (content === "") asWritten(extras, `${at}.content`, content)
  }
  if (present(annotations) && !(Array.isArray(annotations) && annotations.length > 0)) asWritten(extras, `${at}.annotations`, annotations)
  // Mistral's reasoning models answer in parts.
  if (!Array.isArray(content)) return
  const reasoned = parts.length
  content.forEach((part: unknown, index) => {
    const thought = thinkingOf(part)
    const text = textAt(part, "text")
    if (thought !== undefined) parts.push({ _tag: "Reasoning", text: thought })
    else if (text !== undefined) parts.push({ _tag: "Text", text })
    else parts.push({ _tag: "Foreign", type: textAt(part, "type") ?? "part", value: part, at: `${at}.content[${index}]` })
  })
  asWritten(extras, `${at}.content`, content)
  if (parts.slice(reasoned).some(({ _tag }) => _tag === "Reasoning"))
    asWritten(extras, `${at}.reasoning_content`, message["reasoning_content"] ?? undefined)
}

const readCalls = ({ extras, parts }: Reading, message: Json): void => {
  const calls = listAt(message, "tool_calls")
  if (present(message["tool_calls"]) && calls.length === 0) asWritten(extras, `${at}.tool_calls`, message["tool_calls"])
  const ids = new Set<string>()
  calls.forEach((call, index) => {
    const where = `${at}.tool_calls[${index}]`
    const called = field(call, "function")
    const name = textAt(called, "name")
    if (!isObject(call) || !isObject(called) || name === undefined) {
      parts.push({ _tag: "Foreign", type: textAt(call, "type") ?? "tool_call", value: call, at: where })
      return
    }
    const signature = googleSignature(call)
    const given = textAt(call, "id") ?? ""
    const id = ownId(given, index, ids.has(given))
    ids.add(id)
    parts.push({
      _tag: "ToolCall",
      id,
      name,
      arguments: argumentsOf(called),
      ...(signature === undefined ? {} : { seal: { dialect: "chat.completions", data: print(googleContent(signature)) } })
    })
    noteOthers(extras, where, call, callKeys, false)
    noteOthers(extras, `${where}.function`, called, functionKeys, false)
    if (given === "" || given !== id) asWritten(extras, `${where}.id`, call["id"] ?? undefined)
    if (call["type"] !== "function") asWritten(extras, `${where}.type`, call["type"] ?? undefined)
    if (typeof called["arguments"] !== "string") asWritten(extras, `${where}.function.arguments`, called["arguments"] ?? undefined)
  })
  const called = message["function_call"]
  const name = textAt(called, "name") ?? ""
  if (name !== "") {
    parts.push({ _tag: "ToolCall", id: "", name, arguments: argumentsOf(called) })
    asWritten(extras, `${at}.tool_calls`, calls.length > 0 ? calls : undefined)
  }
  if (present(called)) asWritten(extras, `${at}.function_call`, called)
}

/** The pictures that a model has drawn, where OpenRouter puts them ("Image Generation"). */
export const imageUrl = (image: unknown): string | undefined => textAt(field(image, "image_url"), "url")

const readImages = ({ extras, parts }: Reading, message: Json): void => {
  const images = listAt(message, "images")
  images.forEach((image, index) => {
    const url = imageUrl(image)
    if (url === undefined) parts.push({ _tag: "Foreign", type: "image", value: image, at: `${at}.images[${index}]` })
    else parts.push({ _tag: "Image", source: sourceOf(url) })
  })
  if (images.some((image) => print(image) !== print(imageOf(urlOf(sourceOf(imageUrl(image) ?? "")) ?? ""))))
    asWritten(extras, `${at}.images`, images)
}

/** A picture in the list of them. */
export const imageOf = (url: string): Json => ({ type: "image_url", image_url: { url } })

const readMessage = (message: Json): Reading => {
  const reading: Reading = { parts: [], extras: [] }
  readReasoning(reading, message)
  readContent(reading, message)
  const refusal = textAt(message, "refusal")
  if (refusal !== undefined && refusal !== "") reading.parts.push({ _tag: "Refusal", text: refusal })
  else if (refusal === "") asWritten(reading.extras, `${at}.refusal`, refusal)
  readImages(reading, message)
  readCalls(reading, message)
  if (message["role"] !== "assistant") asWritten(reading.extras, `${at}.role`, message["role"] ?? undefined)
  noteOthers(reading.extras, at, message, messageKeys, (key, value) => key === "audio" && (textAt(value, "data") ?? "") !== "")
  return reading
}

/** Decodes the parsed body of a `chat.completion`. */
export const decodeAnswer = (body: unknown): Result.Result<Answer, Failure> => {
  const failed = failureIn(body)
  if (failed !== undefined) return Result.fail(failed)
  const choices = listAt(body, "choices")
  const [choice] = choices
  const message = field(choice, "message")
  if (!isObject(body) || !isObject(choice) || !isObject(message))
    return Result.fail(malformed("expected `choices[0].message` in the provider's answer"))
  const id = textAt(body, "id")
  const model = textAt(body, "model")
  const usage = usageOf(body)
  const { extras, parts } = readMessage(message)
  noteOthers(extras, "choices[0]", choice, choiceKeys, false)
  const { finish_reason: finish, index, logprobs } = choice
  if (present(logprobs)) extras.push({ field: "choices[0].logprobs", value: logprobs, matters: saysLogprobs(logprobs) })
  if (index !== 0) asWritten(extras, "choices[0].index", index ?? undefined)
  const calls = parts.some(({ _tag }) => _tag === "ToolCall")
  const stop = stopOf(finish, calls)
  const broken = isInterrupted(finish)
  if (broken && parts.every(isThought)) return Result.fail(emptyAnswer(finish, "overloaded"))
  if (isOdd(finish)) extras.push({ field: "choices[0].finish_reason", value: finish, matters: true, reason: noSuchReason })
  else if (finish !== finishOf(stop, calls)) asWritten(extras, "choices[0].finish_reason", finish ?? undefined)
  choices
    .slice(1)
    .forEach((other, position) =>
      extras.push({ field: `choices[${position + 1}]`, value: other, matters: true, reason: "only the first answer is carried over" })
    )
  noteOthers(extras, "", body, answerKeys, (key) => sources.has(key))
  if (id === undefined) asWritten(extras, "id", undefined)
  usageExtras(extras, body)
  return Result.succeed({
    dialect: "chat.completions",
    parts,
    stop,
    ...(broken ? { broken } : {}),
    extras,
    ...(id === undefined ? {} : { id }),
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined ? {} : { usage })
  })
}
