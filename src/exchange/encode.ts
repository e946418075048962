/**
 * A call as the request that a target is sent: patched bytes where it speaks the caller's dialect, an encoded `Conversation` where it does not.
 */
import * as Result from "effect/Result"
import { longestAnswer } from "../Bound.ts"
import type { Call } from "../Call.ts"
import type { BadField, Loss } from "../Dialect.ts"
import type { Conversation } from "../Conversation.ts"
import type { Failure } from "../Failure.ts"
import { type Change, patch } from "../JsonScan.ts"
import type { Secret } from "../Policy.ts"
import type { Target } from "../Target.ts"
import type { UpstreamRequest } from "../Upstream.ts"

export interface Ready {
  readonly _tag: "Ready"
  readonly request: UpstreamRequest
  readonly losses: ReadonlyArray<Loss>
  /** Takes our key out of what a provider says, should it repeat it. */
  readonly redact: (failure: Failure) => Failure
}

export type Encoded = Ready | { readonly _tag: "Impossible"; readonly failure: Failure }

/** What is the same for every request to a target. */
interface Address {
  readonly origin: string
  readonly path: string
  readonly headers: ReadonlyArray<string>
  readonly missingKey: string | undefined
  readonly redact: (failure: Failure) => Failure
}

const none: ReadonlyArray<Loss> = []

/** Dialects take out what looks like a key; only here is it known what the key is. */
const redactor = (key: string | undefined): ((failure: Failure) => Failure) => {
  if (key === undefined || key === "") return (failure) => failure
  const clean = (text: string): string => text.replaceAll(key, "[redacted]")
  return ({ code, message, param, ...rest }) => ({
    ...rest,
    message: clean(message),
    ...(code === undefined ? {} : { code: clean(code) }),
    ...(param === undefined ? {} : { param: clean(param) })
  })
}

/** Whether the caller itself asked that its stream end with usage. */
export const wantsUsage = (call: Call): boolean => {
  const options = call.parsed.json["stream_options"]
  return typeof options === "object" && options !== null && (options as { readonly include_usage?: unknown }).include_usage === true
}

/** The names under which a request says how long its answer may be. A host that knows one of them may take no notice of the other. */
const maximums = ["max_completion_tokens", "max_tokens"] as const

/** What makes the answer no longer than what is reserved for it, by whichever name the host goes. */
const maximumsFor = ({ ask, parsed }: Call, target: Target): ReadonlyArray<Change> => {
  const most = longestAnswer(ask, target)
  // INVARIANT: without one nothing was reserved, and nothing is sent.
  if (most === undefined) return []
  const json = String(most)
  const named = maximums.filter((key) => (parsed.json[key] ?? null) !== null)
  const changes = named.flatMap((key) => {
    const value = parsed.json[key]
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0 && value <= most ? [] : [{ key, json }]
  })
  // OpenAI refuses both names at once, and goes by either; a host of the older name may not know the newer.
  const missing = named.length === 0 || (target.maxTokensField === "max_tokens" && !named.includes("max_tokens"))
  return missing ? [...changes, { key: target.maxTokensField, json }] : changes
}

/** The changes that forwarding makes to the caller's bytes: the model's name, a maximum that a budget needs, and the request for usage at the end of a stream. */
export const changesFor = (call: Call, target: Target): ReadonlyArray<Change> => {
  const changes: Array<Change> = []
  if (call.ask.model !== target.model) changes.push({ key: "model", json: JSON.stringify(target.model) })
  if (call.bindings.length > 0) changes.push(...maximumsFor(call, target))
  if (call.ask.stream && target.reportsStreamUsage && !wantsUsage(call)) {
    const options = call.parsed.json["stream_options"]
    changes.push({ key: "stream_options", json: JSON.stringify({ ...(typeof options === "object" ? options : {}), include_usage: true }) })
  }
  return changes
}

export const encoderOf = (secretOf: (secret: Secret) => string | undefined): ((call: Call, target: Target) => Encoded) => {
  const addresses = new WeakMap<Target, Address>()
  const conversations = new WeakMap<Call, Result.Result<Conversation, BadField>>()

  const addressOf = (target: Target): Address => {
    const found = addresses.get(target)
    if (found !== undefined) return found
    const url = new URL(target.baseUrl + target.dialect.path)
    const key = target.key === undefined ? undefined : secretOf(target.key)
    const address: Address = {
      origin: url.origin,
      path: url.pathname,
      // An allow-list by construction: nothing of the caller's headers goes on.
      headers: Object.entries({
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": "turnout",
        ...target.dialect.headers(key)
      }).flat(),
      missingKey: target.key !== undefined && key === undefined ? target.key.env : undefined,
      redact: redactor(key)
    }
    addresses.set(target, address)
    return address
  }

  return (call, target) => {
    const { headers, missingKey, origin, path, redact } = addressOf(target)
    if (missingKey !== undefined) {
      return {
        _tag: "Impossible",
        failure: {
          class: "auth",
          message: `the environment variable \`${missingKey}\` is not set, so there is no key for \`${target.provider}\``
        }
      }
    }
    if (target.speaks === call.incoming.api.speaks) {
      const body = patch(call.parsed.bytes, call.parsed.scan, changesFor(call, target))
      return { _tag: "Ready", request: { origin, path, headers, body }, losses: none, redact }
    }
    let conversation = conversations.get(call)
    if (conversation === undefined) {
      conversation = call.incoming.api.dialect.decodeRequest(call.parsed.json)
      conversations.set(call, conversation)
    }
    if (Result.isFailure(conversation)) {
      const { message, path: param } = conversation.failure
      return { _tag: "Impossible", failure: { class: "bad-request", message: `\`${param}\`: ${message}`, param } }
    }
    const { body, losses } = target.dialect.encodeRequest(conversation.success, {
      model: target.model,
      ...(target.maxOutputTokens === undefined ? {} : { maxOutputTokens: target.maxOutputTokens })
    })
    return { _tag: "Ready", request: { origin, path, headers, body: JSON.stringify(body) }, losses, redact }
  }
}
