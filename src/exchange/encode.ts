/**
 * A call as the request that a target is sent: patched bytes where it speaks the caller's dialect, an encoded `Conversation` where it does not.
 */
import * as Result from "effect/Result"
import type { Call } from "../Call.ts"
import type { Conversation, Source } from "../Conversation.ts"
import type { BadField, Dialect, Loss, Operation, TargetModel, Written } from "../Dialect.ts"
import type { EmbeddingRequest } from "../Embedding.ts"
import type { Failure } from "../Failure.ts"
import { isAllowed } from "../Fetch.ts"
import { type GatewayError, refuse } from "../GatewayError.ts"
import { type Change, patch } from "../JsonScan.ts"
import { addresses, brokenMedia, resourced } from "../Media.ts"
import type { Secret } from "../Policy.ts"
import type { Account, Target } from "../Target.ts"
import { parseExact } from "../providers/json.ts"
import { readUtf8 } from "../Text.ts"
import type { UpstreamRequest } from "../Upstream.ts"
import { type Address, addressesBy, discretion, placeOf } from "./address.ts"
import { settingsOf, usageWish, withSettings } from "./settings.ts"

export interface Ready {
  readonly _tag: "Ready"
  readonly request: UpstreamRequest
  /** What the target is spoken to in. */
  readonly dialect: Dialect
  /** Whether that is the caller's own, and the bytes go on as they are. */
  readonly forwards: boolean
  readonly losses: ReadonlyArray<Loss>
  /** The fields that were changed besides the model's name, and the headers that were added. */
  readonly changed: ReadonlyArray<string>
  /** Takes our key out of what a provider says, should it repeat it. */
  readonly redact: (failure: Failure) => Failure
  /** The same of a text, before anything in it is cut or taken for something else. */
  readonly clean: (text: string) => string
}

/** Something has to be fetched first. */
export interface Fetching {
  readonly _tag: "Fetching"
  /** By where the caller wrote it. */
  readonly urls: ReadonlyMap<string, URL>
  /** The request with what was fetched. */
  readonly encode: (sources: ReadonlyMap<string, Source>) => Ready | Impossible
}

export interface Impossible {
  readonly _tag: "Impossible"
  readonly failure: Failure
}

export type Encoded = Ready | Fetching | Impossible

const none: ReadonlyArray<never> = []

/** What is asked in the model between the dialects, for one operation. */
interface Question {
  readonly path: string
  readonly written: Written
}

type Decoded = Result.Result<Conversation | EmbeddingRequest, BadField>

const nothingToSay: Impossible = {
  _tag: "Impossible",
  failure: { class: "bad-request", message: "the target has no API for what is asked" }
}

const unreadable = ({ message, path: param }: BadField): Impossible => ({
  _tag: "Impossible",
  failure: { class: "bad-request", message: `\`${param}\`: ${message}`, param }
})

/** The request's JSON with every integer as it was written: what is translated is printed again. */
const exactly = ({ parsed: { bytes, json } }: Call): unknown => parseExact(readUtf8(bytes) ?? "") ?? json

const nowhere: ReadonlyMap<string, URL> = new Map()

const serves = (dialect: Dialect, operation: Operation): boolean =>
  operation === "generate" || (operation === "embed" ? dialect.embeddings : dialect.counting) !== undefined

/** The dialect of the target in which the call's bytes can go on as they are. */
const forwardDialect = ({ incoming: { api }, parsed }: Call, target: Target): Dialect | undefined =>
  parsed.sealed
    ? undefined
    : target.dialects.find(
        (dialect) =>
          dialect.name === api.dialect.name &&
          serves(dialect, api.operation) &&
          (api.operation !== "embed" || dialect.embeddings!.forwards !== false)
      )

/** Calls as requests to targets. */
export interface Encoder {
  readonly encode: (call: Call, target: Target, account: Account, token?: string) => Encoded
  /** Why the call cannot be put to the target at all, or not without a loss that its route forbids. */
  readonly obstacle: (call: Call, target: Target) => GatewayError | undefined
}

export const encoderOf = (secretOf: (secret: Secret) => string | undefined): Encoder => {
  const addressOf = addressesBy(secretOf)
  const decodings = new WeakMap<Call, Decoded>()

  /** The call in the model between the dialects, or what is wrong with the request. */
  const decode = (call: Call): Decoded => {
    let decoded = decodings.get(call)
    if (decoded === undefined) {
      const { dialect, operation } = call.incoming.api
      const read =
        operation === "embed"
          ? dialect.embeddings!.decodeRequest
          : ((operation === "count" ? dialect.counting?.decodeRequest : undefined) ?? dialect.decodeRequest)
      decoded = read(exactly(call), call.ask)
      if (operation !== "embed" && Result.isSuccess(decoded)) {
        const broken = brokenMedia(decoded.success as Conversation)
        if (broken !== undefined) decoded = Result.fail(broken)
      }
      decodings.set(call, decoded)
    }
    return decoded
  }

  const write = (
    operation: Operation,
    dialect: Dialect,
    said: Conversation | EmbeddingRequest,
    target: Target,
    stream: boolean
  ): Question => {
    const { deployment, habits, maxOutputTokens } = target
    const model: TargetModel = { model: target.model, deployment, habits, ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }) }
    switch (operation) {
      case "generate":
        return { path: dialect.path(deployment, stream), written: dialect.encodeRequest(said as Conversation, model) }
      case "embed": {
        const { encodeRequest, path } = dialect.embeddings!
        return { path: path(deployment, said as EmbeddingRequest), written: encodeRequest(said as EmbeddingRequest, model) }
      }
      case "count": {
        const { encodeRequest, path } = dialect.counting!
        return { path: path(deployment), written: encodeRequest(said as Conversation, model) }
      }
    }
  }

  /** The request in the dialect of the target that carries it whole, or else loses least. */
  const translate = (call: Call, target: Target, said: Conversation | EmbeddingRequest): readonly [Dialect, Question] | undefined => {
    const { operation } = call.incoming.api
    let best: readonly [Dialect, Question] | undefined
    for (const dialect of target.dialects) {
      if (!serves(dialect, operation)) continue
      const question = write(operation, dialect, said, target, call.ask.stream)
      if (best === undefined || question.written.losses.length < best[1].written.losses.length) best = [dialect, question]
      if (best[1].written.losses.length === 0) break
    }
    return best
  }

  /** Of what was lost, that which the target would take if it were fetched, where the policy lets it be. */
  const fetchable = (call: Call, said: Conversation | EmbeddingRequest, losses: ReadonlyArray<Loss>): ReadonlyMap<string, URL> => {
    const { fetch } = call.compiled.policy
    if (fetch === undefined || losses.length === 0 || call.incoming.api.operation === "embed") return nowhere
    const all = addresses(said as Conversation)
    const found = new Map<string, URL>()
    for (const { field } of losses) {
      const url = all.get(field)
      if (url !== undefined && isAllowed(url, fetch.hosts)) found.set(field, url)
    }
    return found
  }

  /** What the policy sets, said in the model between the dialects; with the fields that it changes. */
  const settled = (
    call: Call,
    target: Target,
    said: Conversation | EmbeddingRequest
  ): readonly [Conversation | EmbeddingRequest, ReadonlyArray<Change>] => {
    if (call.incoming.api.operation !== "generate") return [said, none]
    const settings = settingsOf(call, target, false)
    if (settings === undefined) return [said, none]
    const changes = call.incoming.api.dialect.overrides(call.parsed.json, settings)
    return [withSettings(said as Conversation, settings, target.set?.maxOutputTokens, changes), changes]
  }

  const headersOf = (call: Call, target: Target, { headers, passes }: Address, token: string | undefined): ReadonlyArray<string> => {
    if (passes.length === 0 && token === undefined) return headers
    const more: Array<string> = token === undefined ? [] : Object.entries(target.credential(token)).flat()
    for (const name of passes) {
      const value = call.ask.header(name)
      if (value !== null) more.push(name, value)
    }
    return more.length === 0 ? headers : [...headers, ...more]
  }

  const forward = (call: Call, target: Target, dialect: Dialect, account: Account, token: string | undefined): Encoded => {
    const { parsed } = call
    const { dialect: spoken, operation } = call.incoming.api
    const address = addressOf(target, dialect, account)
    const generates = operation === "generate"
    const settings = generates ? settingsOf(call, target, true) : undefined
    const changes = settings === undefined ? [] : [...spoken.overrides(parsed.json, settings)]
    if (generates) changes.push(...usageWish(call, target))
    const changed = changes.length + address.added.length === 0 ? none : [...changes.map(({ key }) => key), ...address.added]
    if (spoken.modelField !== undefined && call.ask.model !== target.deployment)
      changes.push({ key: spoken.modelField, json: address.model })
    const renamed = generates ? undefined : (operation === "embed" ? spoken.embeddings : spoken.counting)?.renamed
    if (renamed !== undefined) changes.push(...renamed(parsed.json, target.deployment))
    const path = generates ? dialect.path(target.deployment, call.ask.stream) : forwardedPath(call, target, dialect)
    return {
      _tag: "Ready",
      request: {
        ...placeOf(target, address, path),
        headers: headersOf(call, target, address, token),
        body: patch(parsed.bytes, parsed.scan, changes),
        connectMillis: call.limits.connectMillis
      },
      dialect,
      forwards: true,
      losses: none,
      changed,
      ...discretion(address, token)
    }
  }

  /** The address of what is no answer may depend on what is asked. */
  const forwardedPath = (call: Call, target: Target, dialect: Dialect): string => {
    if (call.incoming.api.operation === "count") return dialect.counting!.path(target.deployment)
    const said = decode(call)
    // INVARIANT: `parse` has refused what does not decode as far as the address goes.
    return dialect.embeddings!.path(target.deployment, Result.getOrThrow(said) as EmbeddingRequest)
  }

  const encode = (call: Call, target: Target, account: Account, token?: string): Encoded => {
    const forwarded = forwardDialect(call, target)
    const { missingKey } = addressOf(target, forwarded ?? target.dialects[0], account)
    if (missingKey !== undefined) {
      return {
        _tag: "Impossible",
        failure: {
          class: "auth",
          message: `the environment variable \`${missingKey}\` is not set, so there is no key for \`${target.provider}\``,
          // It will not be set while this process runs.
          endsCredential: true
        }
      }
    }
    if (forwarded !== undefined) return forward(call, target, forwarded, account, token)
    const decoded = decode(call)
    if (Result.isFailure(decoded)) return unreadable(decoded.failure)
    const [said, set] = settled(call, target, decoded.success)
    const found = translate(call, target, said)
    if (found === undefined) return nothingToSay
    const urls = fetchable(call, said, found[1].written.losses)
    if (urls.size === 0) return translated(call, target, found, set, account, token)
    return {
      _tag: "Fetching",
      urls,
      encode: (sources) => {
        const complete = resourced(said as Conversation, sources)
        const broken = brokenMedia(complete)
        if (broken !== undefined) return unreadable(broken)
        const whole = translate(call, target, complete)
        return whole === undefined ? nothingToSay : translated(call, target, whole, set, account, token)
      }
    }
  }

  const translated = (
    call: Call,
    target: Target,
    [dialect, { path, written }]: readonly [Dialect, Question],
    set: ReadonlyArray<Change>,
    account: Account,
    token: string | undefined
  ): Ready => {
    const address = addressOf(target, dialect, account)
    return {
      _tag: "Ready",
      request: {
        ...placeOf(target, address, path),
        headers: headersOf(call, target, dialect.name === call.incoming.api.dialect.name ? address : { ...address, passes: none }, token),
        body: JSON.stringify(written.body),
        connectMillis: call.limits.connectMillis
      },
      dialect,
      forwards: false,
      losses: written.losses,
      changed: [...set.map(({ key }) => key), ...address.added],
      ...discretion(address, token)
    }
  }

  const obstacle = (call: Call, target: Target): GatewayError | undefined => {
    if (forwardDialect(call, target) !== undefined) return undefined
    const { dialect: spoken, operation } = call.incoming.api
    if (!target.dialects.some((dialect) => serves(dialect, operation))) {
      const what = operation === "embed" ? "makes no embeddings" : "counts no tokens without answering"
      return refuse("missing_capability", `the request cannot be served: \`${target.name}\` ${what}`, { final: true })
    }
    const decoded = decode(call)
    // What is wrong with the request is told by the attempt.
    if (Result.isFailure(decoded)) return undefined
    const needed = decoded.success.extras.filter((extra) => extra.needed === true)
    if (needed.length > 0 && !target.dialects.some(({ name }) => name === spoken.name)) {
      const fields = needed.map(({ field }) => field)
      return refuse("untranslatable", `${list(fields)} can only be sent to a provider of the same API, which \`${target.name}\` is not`, {
        final: true,
        param: fields[0]!
      })
    }
    if (!call.limits.strict) return undefined
    const [said] = settled(call, target, decoded.success)
    const all = translate(call, target, said)?.[1].written.losses ?? none
    const urls = fetchable(call, said, all)
    const losses = all.filter(({ field }) => !urls.has(field))
    if (losses.length === 0) return undefined
    const fields = [...new Set(losses.map(({ field }) => field))]
    return refuse(
      "translation_loss",
      `\`${target.name}\` cannot be told ${list(fields)}, and the route forbids to leave anything out: ${losses[0]!.reason}`,
      { final: true, param: fields[0]! }
    )
  }

  return { encode, obstacle }
}

/** Callers choose how many fields they name, and how long names are. */
const [maxListed, longestName] = [20, 256]
const list = (fields: ReadonlyArray<string>): string => {
  const listed = fields.slice(0, maxListed).map((field) => `\`${field.slice(0, longestName)}\``)
  return [...listed, ...(fields.length > maxListed ? [`${fields.length - maxListed} more`] : [])].join(", ")
}
