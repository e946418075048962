/** A provider's part in a story, over real HTTP: it looks at its clock and at the key that it is asked with. */
import {
  type Episode,
  answerMillis,
  perTokenMillis,
  providerSecrets,
  slowFactor,
  type Story,
  strikes,
  type TargetName,
  type Trouble
} from "../story.ts"
import {
  body,
  chunk,
  closing,
  completion,
  cut,
  cutStream,
  done,
  event,
  type Heard,
  json,
  opening,
  refusal,
  type Script,
  silence,
  stream
} from "../support.ts"

type Broken = "stream-cut" | "malformed" | "stall"

/** What a provider says when it fails. */
const saying: Readonly<Record<Exclude<Trouble, Broken | "rate-limited">, Script>> = {
  "quota-exhausted": refusal(429, { code: "insufficient_quota", type: "insufficient_quota" }),
  overloaded: refusal(503, {}),
  "server-error": refusal(500, {}),
  timeout: silence,
  "context-length": refusal(400, { code: "context_length_exceeded", type: "invalid_request_error" }),
  "content-filter": refusal(400, { code: "content_filter" }),
  "bad-request": refusal(400, { type: "invalid_request_error" }),
  auth: refusal(401, { code: "invalid_api_key" })
}

const refusing = ({ is, retryAfter }: Episode): Script | undefined => {
  if (is === "rate-limited")
    return refusal(429, { code: "rate_limit_exceeded" }, retryAfter === undefined ? {} : { "retry-after": String(retryAfter) })
  return is === "slow" || is === "stream-cut" || is === "malformed" || is === "stall" ? undefined : saying[is]
}

/** How often more of an answer comes whose tokens come one by one. */
const paceMillis = 100

/** A stream of which more comes until it ends after `millis`. */
const paced =
  (words: string, millis: number, last: ReadonlyArray<string>): Script =>
  (response) => {
    response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
    response.write(opening)
    const began = performance.now()
    let sent = 0
    const tick = (): void => {
      if (response.destroyed) return
      const share = millis === 0 ? 1 : Math.min(1, (performance.now() - began) / millis)
      const upTo = share === 1 ? words.length : Math.max(4, Math.floor(words.length * share))
      // What has no words begins with something all the same.
      response.write(chunk({ content: words === "" && sent === 0 ? "." : words.slice(sent, upTo) }))
      sent = Math.max(1, upTo)
      if (share === 1) response.end(last.join(""))
      else setTimeout(tick, Math.min(paceMillis, Math.max(1, began + millis - performance.now())))
    }
    tick()
  }

/** The provider's answer to a call that says what it counts, four characters a token. */
const answering = ({ json: asked }: Heard, broken: Broken | undefined, restMillis: (tokens: number) => number): Script => {
  const { output, tokens } = sizeOf(asked)
  const [, input] = /in=(\d+)/.exec(asked["messages"][0].content as string)!
  const usage = { prompt_tokens: Number(input), completion_tokens: tokens, total_tokens: Number(input) + tokens }
  const head = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: asked["model"] as string }
  const finish = tokens < output ? "length" : "stop"
  const words = "word".repeat(tokens)
  if (asked["stream"] === true) {
    if (broken === "malformed") return stream([event("{")])
    if (broken === "stream-cut") return cutStream(opening + chunk({ content: "half" }))
    if (broken === "stall")
      return (response) => {
        response.writeHead(200, { "content-type": "text/event-stream; charset=utf-8" })
        response.write(opening + chunk({ content: "half" }))
      }
    const last = finish === "stop" ? closing : chunk({}, "length")
    return paced(words, restMillis(tokens), [last, event({ ...head, choices: [], usage }), done])
  }
  if (broken === "stall") return silence
  if (broken === "malformed") return body("{")
  if (broken === "stream-cut") return cut('{"id":', { headers: { "content-length": "1000" } })
  return json({ ...completion(words, {}, finish), usage })
}

const sizeOf = (asked: Heard["json"]): { readonly output: number; readonly tokens: number } => {
  const [, output] = /out=(\d+)/.exec(asked["messages"][0].content as string)!
  return { output: Number(output), tokens: Math.min(Number(output), (asked["max_completion_tokens"] as number | undefined) ?? Infinity) }
}

/** The variable that holds the key with which a provider was asked. */
const credentialOf = ({ headers }: Heard): string | undefined =>
  Object.keys(providerSecrets).find((name) => headers.authorization === `Bearer ${providerSecrets[name]}`)

/** A request as a provider has heard it: whose call, with which key. Nothing where it is no call of a story: a port may have been somebody else's a moment ago. */
export const heardAs = (heard: Heard): ReadonlyArray<string> => {
  const id = / id=(\S+)/.exec(String(heard.json?.["messages"]?.[0]?.content))?.[1]
  if (id === undefined) return []
  return [`${id} ${credentialOf(heard) ?? (heard.headers.authorization === undefined ? "without" : "with an unknown key")}`]
}

/** The part of `target` in `told`, which began at `began()`. */
export const playing =
  (told: () => Story, began: () => number, target: TargetName): Script =>
  (response, heard) => {
    if (heardAs(heard).length === 0) return refusal(404, {})(response, heard)
    const { slow, trouble } = strikes(told(), target, credentialOf(heard), performance.now() - began())
    const refused = trouble && refusing(trouble)
    if (refused !== undefined) return refused(response, heard)
    const broken = trouble?.is as Broken | undefined
    const factor = slow ? slowFactor : 1
    const restMillis = (tokens: number): number => (target === "c" ? factor * perTokenMillis * Math.max(0, tokens - 1) : 0)
    const rest = heard.json["stream"] === true ? 0 : restMillis(sizeOf(heard.json).tokens)
    setTimeout(() => answering(heard, broken, restMillis)(response, heard), factor * answerMillis + rest)
  }
