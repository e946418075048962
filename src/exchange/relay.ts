/**
 * What becomes of an answer's bytes on their way to the caller: one relay for each combination of whole or streamed, forwarded or translated.
 *
 * A relay decides when the answer commits. A whole answer commits when it has arrived, within the size limit, and parses; a stream when its route says so: with its
 * head, at its first content, or when it has ended well and leaves at once. Before that nothing leaves, so a cut, an empty body, or an error inside a 200 can
 * still fail over. Where a cascade asks for a better answer than some (`judge.ts`), it is asked then, and a stream commits when it has ended well whatever its route says.
 */
import * as Result from "effect/Result"
import type { Operation, Written } from "../Dialect.ts"
import type { Failure } from "../Failure.ts"
import { field, isObject, type Json, parseExact, print } from "../providers/json.ts"
import { retryAfterMillis } from "../providers/rateLimits.ts"
import { concat } from "../Sse.ts"
import { utf8Length } from "../Text.ts"
import type { UpstreamHeaders } from "../Upstream.ts"
import { verdictOn } from "./judge.ts"
import { forwardStream, translateStream } from "./streams.ts"
import { contextOf, malformed, type Relay, type Transfer } from "./transfer.ts"

/** The largest error body that is read; the rest is not looked at. */
const maxErrorBytes = 256 * 1024

const decoder = new TextDecoder("utf-8")

const parseOr = <A>(text: string, otherwise: A): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return otherwise
  }
}

const one = (value: string | ReadonlyArray<string> | undefined): string | undefined => (typeof value === "object" ? value[0] : value)

/** Of each repeated header the first value. */
const single = (headers: UpstreamHeaders): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, one(value)]))

/** An answer of usual length. Callers name maxima that they never use, and one who names a huge one must not have everybody wait for it. */
const usualOutputTokens = 1_000

/** What a request takes of a limit on tokens, roughly and before its usage is known. */
const tokensOf = ({ call: { ask } }: Transfer): number =>
  ask.inputBytes() / 4 + Math.min(ask.maxOutputTokens() ?? usualOutputTokens, usualOutputTokens)

/** How long the credential should be left alone: as a refusal for too much asks, or until there is something left of a limit. */
const pauseOf = (transfer: Transfer, status: number, headers: UpstreamHeaders): number | undefined => {
  const { pauseMillis } = transfer.dialect
  const asked = status === 429 ? retryAfterMillis(headers) : undefined
  // Nearly always something is left of every limit, and nothing needs to be counted.
  const left = pauseMillis?.(headers) === undefined ? undefined : pauseMillis?.(headers, tokensOf(transfer))
  return asked === undefined || left === undefined ? (asked ?? left) : Math.max(asked, left)
}

/** Chooses the relay by the head of the answer. */
export const relayOf = (transfer: Transfer, status: number, headers: UpstreamHeaders): Relay => {
  transfer.pauseMillis = pauseOf(transfer, status, headers)
  if (status < 200 || status > 299) return errorRelay(transfer, status, headers)
  const encoding = one(headers["content-encoding"])
  if (encoding !== undefined && encoding !== "identity")
    return refusing(transfer, malformed(`the answer is encoded as ${encoding.slice(0, 40)}, which was not asked for`))
  const type = one(headers["content-type"]) ?? ""
  if (!transfer.call.ask.stream) return wholeRelay(transfer, headers)
  if (type.includes("text/event-stream")) return transfer.forwards ? forwardStream(transfer) : translateStream(transfer)
  return unstreamed(transfer, type)
}

/** Reads nothing: the head alone has failed the answer. */
const refusing = (transfer: Transfer, failure: Failure): Relay => {
  transfer.fail(failure)
  return { data: () => {}, end: () => {} }
}

/** Collects a body up to a limit; `over` is called once when it grows beyond. */
const collector = (limit: number, over: () => void): { readonly add: (chunk: Uint8Array) => void; readonly bytes: () => Uint8Array } => {
  const chunks: Array<Uint8Array> = []
  let length = 0
  return {
    add: (chunk) => {
      length += chunk.length
      if (length > limit) over()
      else chunks.push(chunk)
    },
    bytes: () => concat(chunks)
  }
}

const errorRelay = (transfer: Transfer, status: number, headers: UpstreamHeaders): Relay => {
  const classify = (bytes: Uint8Array): void => {
    const text = transfer.clean(decoder.decode(bytes))
    transfer.fail(transfer.dialect.classify(status, parseOr(text, text), single(headers)))
  }
  const body = collector(maxErrorBytes, () => classify(body.bytes()))
  return { data: body.add, end: () => classify(body.bytes()) }
}

/** A stream was asked for and something else came: an error inside a 200, or a provider that cannot stream. */
const unstreamed = (transfer: Transfer, type: string): Relay => {
  const judge = (bytes: Uint8Array): void => {
    const failure = transfer.dialect.failureIn(parseOr(transfer.clean(decoder.decode(bytes)), undefined))
    transfer.fail(
      failure ?? malformed(`a stream was asked for, but the answer is ${type === "" ? "of no stated type" : `\`${type.slice(0, 80)}\``}`)
    )
  }
  const body = collector(maxErrorBytes, () => judge(body.bytes()))
  return { data: body.add, end: () => judge(body.bytes()) }
}

const hasPart = (answer: Json, name: string): boolean => {
  const part = field(answer, name)
  return part !== undefined && part !== null
}

const wholeRelay = (transfer: Transfer, headers: UpstreamHeaders): Relay => {
  const { call, dialect } = transfer
  const body = collector(transfer.maxAnswerBytes, () =>
    transfer.fail(malformed(`the answer is larger than ${transfer.maxAnswerBytes} bytes`))
  )
  const end = (): void => {
    const bytes = body.bytes()
    const text = transfer.readUtf8(bytes)
    const json = text === undefined ? undefined : parseOr(text.startsWith("\ufeff") ? text.slice(1) : text, undefined)
    if (text === undefined || json === undefined) {
      transfer.fail(malformed(bytes.length === 0 ? "the answer is empty" : "the answer is not valid JSON"))
      return
    }
    const failure = dialect.failureIn(json)
    if (failure !== undefined) {
      transfer.fail(dialect.failureIn(parseOr(transfer.clean(text), json)) ?? failure)
      return
    }
    if (transfer.forwards) {
      if (!isObject(json)) {
        transfer.fail(malformed("the answer is not a JSON object"))
        return
      }
      const parts = dialect.answerParts[call.incoming.api.operation]
      if (parts !== undefined && !parts.some((name) => hasPart(json, name))) {
        transfer.fail(malformed(`the answer has no \`${parts[0]}\``))
        return
      }
      transfer.usage = dialect.usageOf(json)
      const unfit = transfer.accepts === undefined ? undefined : judge(transfer, text, json)
      if (unfit !== undefined) {
        transfer.fail(unfit)
        return
      }
      transfer.commit(one(headers["content-type"]) ?? "application/json", ["content-length", String(bytes.length)])
      // As text it leaves in one piece with its head.
      transfer.done(text)
      return
    }
    // What an answer that is none has cost is told all the same.
    transfer.usage = dialect.usageOf(json)
    const translated = translations[call.incoming.api.operation](transfer, parseExact(text) ?? json)
    if (Result.isFailure(translated)) {
      transfer.fail(translated.failure)
      return
    }
    transfer.losses.push(...translated.success.losses)
    const told = print(translated.success.body)
    if (told === "") {
      transfer.fail(malformed("the answer is nested too deeply"))
      return
    }
    transfer.commit("application/json", ["content-length", String(utf8Length(told))])
    transfer.done(told)
  }
  return { data: body.add, end }
}

/** Why a whole answer that could be forwarded as it is will not do; undefined where it will. */
const judge = ({ accepts, dialect }: Transfer, text: string, json: unknown): Failure | undefined => {
  const answer = dialect.decodeAnswer(parseExact(text) ?? json)
  return Result.isFailure(answer) ? answer.failure : verdictOn(accepts, answer.success)
}

/** A whole answer in the caller's dialect, by what was asked for. */
const translations: Readonly<Record<Operation, (transfer: Transfer, json: unknown) => Result.Result<Written, Failure>>> = {
  generate: (transfer, json) =>
    Result.flatMap(transfer.dialect.decodeAnswer(json), (answer) => {
      transfer.usage = answer.usage
      const unfit = verdictOn(transfer.accepts, answer)
      return unfit === undefined
        ? Result.succeed(transfer.call.incoming.api.dialect.encodeAnswer(answer, contextOf(transfer.call)))
        : Result.fail(unfit)
    }),
  // INVARIANT: only dialects that have the operation were spoken to, by callers whose dialect has it.
  embed: (transfer, json) =>
    Result.flatMap(transfer.dialect.embeddings!.decodeAnswer(json), (answer) => {
      transfer.usage = answer.usage
      const { dialect } = transfer.call.incoming.api
      return Result.mapError(
        Result.map(dialect.embeddings!.decodeRequest(transfer.call.parsed.json, transfer.call.ask), (request) =>
          dialect.embeddings!.encodeAnswer(answer, request, contextOf(transfer.call))
        ),
        ({ message }) => malformed(message)
      )
    }),
  count: (transfer, json) =>
    Result.map(transfer.dialect.counting!.decodeAnswer(json), (tokens) => ({
      body: transfer.call.incoming.api.dialect.counting!.encodeAnswer(tokens),
      losses: []
    }))
}
