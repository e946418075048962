/**
 * A call as the request that a target is sent: patched bytes where it speaks the caller's dialect, an encoded `Conversation` where it does not.
 */
import * as Result from "effect/Result"
import { longestAnswer } from "../Bound.ts"
import type { Call } from "../Call.ts"
import type { BadField, Loss, Settings } from "../Dialect.ts"
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
  /** The fields that were changed besides the model's name, and the headers that were added. */
  readonly changed: ReadonlyArray<string>
  /** Takes our key out of what a provider says, should it repeat it. */
  readonly redact: (failure: Failure) => Failure
  /** The same of a text, before anything in it is cut or taken for something else. */
  readonly clean: (text: string) => string
}

export type Encoded = Ready | { readonly _tag: "Impossible"; readonly failure: Failure }

/** What is the same for every request to a target. */
interface Address {
  readonly origin: string
  readonly path: string
  readonly headers: ReadonlyArray<string>
  /** Those of `headers` that the policy adds, as records name them. */
  readonly added: ReadonlyArray<string>
  /** JSON of what requests name as their model. */
  readonly model: string
  readonly missingKey: string | undefined
  readonly redact: (failure: Failure) => Failure
  readonly clean: (text: string) => string
}

const none: ReadonlyArray<never> = []

/** Dialects take out what looks like a key; only here is it known what the key is, as it stands in a text and as JSON writes it. */
const cleaner = (key: string | undefined): ((text: string) => string) => {
  if (key === undefined || key === "") return (text) => text
  const written = JSON.stringify(key).slice(1, -1)
  return written === key
    ? (text) => text.replaceAll(key, "[redacted]")
    : (text) => text.replaceAll(written, "[redacted]").replaceAll(key, "[redacted]")
}

const redactor =
  (clean: (text: string) => string) =>
  ({ code, message, param, ...rest }: Failure): Failure => ({
    ...rest,
    message: clean(message),
    ...(code === undefined ? {} : { code: clean(code) }),
    ...(param === undefined ? {} : { param: clean(param) })
  })

/** Whether the caller itself asked that its stream end with usage. */
export const wantsUsage = (call: Call): boolean => {
  const options = call.parsed.json["stream_options"]
  return typeof options === "object" && options !== null && (options as { readonly include_usage?: unknown }).include_usage === true
}

/** What the policy sets of a request to `target`; undefined where that is nothing. */
const settingsOf = ({ ask, bounded }: Call, target: Target, forwards: boolean): Settings | undefined => {
  const { set } = target
  // What is reserved for an answer is as long as it may get; and a caller who asks for more than the policy's maximum gets that. INVARIANT: a bounded call is
  // not sent where no maximum is known, and none is sent that asks for more than the model itself can.
  const most = bounded || set?.maxOutputTokens !== undefined || (ask.maxOutputTokens() ?? 0) > (target.maxOutputTokens ?? Infinity)
  const maxOutputTokens = most ? longestAnswer(ask, target) : undefined
  if (set?.temperature === undefined && set?.reasoningEffort === undefined && maxOutputTokens === undefined) return undefined
  const maxTokensField = forwards ? target.maxTokensField : undefined
  return { temperature: set?.temperature, reasoningEffort: set?.reasoningEffort, maxOutputTokens, maxTokensField }
}

/** The request for usage at the end of a stream, for a caller who did not make it. */
const usageWish = (call: Call, target: Target): ReadonlyArray<Change> => {
  if (!call.ask.stream || !target.reportsStreamUsage || wantsUsage(call)) return none
  const options = call.parsed.json["stream_options"]
  return [{ key: "stream_options", json: JSON.stringify({ ...(typeof options === "object" ? options : {}), include_usage: true }) }]
}

/** The conversation that says what is set. A maximum that only the target demands stays the encoder's, which tells the caller. */
const withSettings = (
  conversation: Conversation,
  { maxOutputTokens, reasoningEffort, temperature }: Settings,
  cap: number | undefined,
  changes: ReadonlyArray<Change>
): Conversation => ({
  ...conversation,
  ...(temperature === undefined ? {} : { sampling: { ...conversation.sampling, temperature } }),
  ...(reasoningEffort === undefined ? {} : { thinking: { _tag: "Effort", effort: reasoningEffort } }),
  ...(maxOutputTokens === undefined
    ? {}
    : {
        maxOutputTokens:
          conversation.maxOutputTokens === undefined ? maxOutputTokens : Math.min(conversation.maxOutputTokens, cap ?? Infinity)
      }),
  // What is replaced is not lost.
  extras: conversation.extras.filter(({ field }) => changes.every(({ key }) => key !== field))
})

export const encoderOf = (secretOf: (secret: Secret) => string | undefined): ((call: Call, target: Target) => Encoded) => {
  const addresses = new WeakMap<Target, Address>()
  const conversations = new WeakMap<Call, Result.Result<Conversation, BadField>>()

  const addressOf = (target: Target): Address => {
    const found = addresses.get(target)
    if (found !== undefined) return found
    const url = new URL(target.baseUrl + target.dialect.path)
    const key = target.key === undefined ? undefined : secretOf(target.key)
    const own = { "content-type": "application/json", "accept-encoding": "identity", ...target.dialect.headers(key) }
    // INVARIANT: a policy sets no credential and nothing of the connection. What the dialect sends itself it cannot replace either, nor what it would send with a key.
    const beside = Object.entries(target.set?.headers ?? {}).filter(
      ([name]) => !Object.hasOwn(own, name) && !Object.hasOwn(target.dialect.headers(""), name)
    )
    const address: Address = {
      origin: url.origin,
      path: url.pathname,
      // An allow-list by construction: nothing of the caller's headers goes on.
      headers: Object.entries({ "user-agent": "turnout", ...Object.fromEntries(beside), ...own }).flat(),
      added: beside.map(([name]) => `headers.${name}`),
      model: JSON.stringify(target.deployment),
      missingKey: target.key !== undefined && key === undefined ? target.key.env : undefined,
      redact: redactor(cleaner(key)),
      clean: cleaner(key)
    }
    addresses.set(target, address)
    return address
  }

  /** The call as its target's dialect reads it, or what is wrong with the request. */
  const conversationOf = (call: Call): Result.Result<Conversation, BadField> => {
    let conversation = conversations.get(call)
    if (conversation === undefined) {
      conversation = call.incoming.api.dialect.decodeRequest(call.parsed.json)
      conversations.set(call, conversation)
    }
    return conversation
  }

  return (call, target) => {
    const { added, clean, headers, missingKey, model, origin, path, redact } = addressOf(target)
    if (missingKey !== undefined) {
      return {
        _tag: "Impossible",
        failure: {
          class: "auth",
          message: `the environment variable \`${missingKey}\` is not set, so there is no key for \`${target.provider}\``
        }
      }
    }
    const { parsed } = call
    const { dialect, speaks } = call.incoming.api
    const { connectMillis } = call.limits
    const forwards = target.speaks === speaks
    const settings = settingsOf(call, target, forwards)
    const set = settings === undefined ? none : dialect.overrides(parsed.json, settings)
    if (forwards) {
      const changes = [...set, ...usageWish(call, target)]
      const changed = changes.length + added.length === 0 ? none : [...changes.map(({ key }) => key), ...added]
      if (call.ask.model !== target.deployment) changes.push({ key: "model", json: model })
      const body = patch(parsed.bytes, parsed.scan, changes)
      return { _tag: "Ready", request: { origin, path, headers, body, connectMillis }, losses: none, changed, redact, clean }
    }
    const conversation = conversationOf(call)
    if (Result.isFailure(conversation)) {
      const { message, path: param } = conversation.failure
      return { _tag: "Impossible", failure: { class: "bad-request", message: `\`${param}\`: ${message}`, param } }
    }
    const { deployment, maxOutputTokens } = target
    const { body, losses } = target.dialect.encodeRequest(
      settings === undefined ? conversation.success : withSettings(conversation.success, settings, target.set?.maxOutputTokens, set),
      { model: target.model, deployment, ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }) }
    )
    const changed = [...set.map(({ key }) => key), ...added]
    return { _tag: "Ready", request: { origin, path, headers, body: JSON.stringify(body), connectMillis }, losses, changed, redact, clean }
  }
}
