/**
 * What the fault-injecting upstream can be asked to do, by name: `base~param=value,param=value@tag`.
 *
 * A name is read once and kept as a function that plays it, so a request costs one look into a map. The grammar, the names and their parameters are listed in the header of
 * `upstream.ts`.
 */
import type { ServerResponse } from "node:http"
import { gzipSync } from "node:zlib"
import type { DialectName } from "../../src/Providers.ts"
import { errorEvent, errorInside, type ErrorKind, errorOf, spokenIn } from "./dialects.ts"

/** A request of a scenario. */
export interface Asked {
  readonly dialect: DialectName
  readonly stream: boolean
  /** How many requests of the whole name came before it. */
  readonly number: number
  /** Milliseconds since the first request of the whole name. */
  readonly sinceFirstMillis: number
}

export type Play = (response: ServerResponse, asked: Asked) => void

interface Name {
  readonly base: string
  readonly params: ReadonlyMap<string, string>
}

const nameOf = (name: string): Name => {
  const at = name.indexOf("@")
  const [base = "", params = ""] = (at === -1 ? name : name.slice(0, at)).split("~", 2)
  const pairs = params === "" ? [] : params.split(",").map((pair) => pair.split("=", 2) as [string, string?])
  return { base, params: new Map(pairs.map(([key, value = ""]) => [key, value])) }
}

const json = { "content-type": "application/json" }
const eventStream = { "content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache" }
const page = "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"

const typeFor = (stream: boolean): Readonly<Record<string, string>> => (stream ? eventStream : json)

/** Where the answer breaks off: before its first content, or behind the first piece of it. */
type Place = "early" | "late"

/** The bytes until there; half of a whole body, of which a caller has seen nothing either way. */
const until = ({ dialect, stream }: Asked, place: Place): string => {
  const { events, head, whole } = spokenIn(dialect)
  if (!stream) return whole.slice(0, whole.length >> 1)
  return events.slice(0, place === "early" ? head : head + 1).join("")
}

/** Answers that were broken off here, and not by the client. */
export const brokenOff = new WeakSet<ServerResponse>()

const destroy = (response: ServerResponse): void => {
  brokenOff.add(response)
  response.socket?.destroySoon()
}

const reset = (response: ServerResponse): void => {
  brokenOff.add(response)
  response.socket?.resetAndDestroy()
}

const begin = (response: ServerResponse, asked: Asked, headers: Readonly<Record<string, string>> = {}): void => {
  response.writeHead(200, { ...typeFor(asked.stream), ...headers })
  response.flushHeaders()
}

/** Calls `step` until it says that it is over, once every so many milliseconds, while the client is there. */
const every = (millis: number, response: ServerResponse, step: () => boolean): void => {
  const go = (): void => {
    if (response.destroyed || response.closed) return
    if (step()) setTimeout(go, millis)
  }
  go()
}

const answer = (response: ServerResponse, asked: Asked, words: number, perMillis: number): void => {
  const { events, head, streamed, whole } = spokenIn(asked.dialect, words)
  if (!asked.stream) {
    const bytes = Buffer.from(whole)
    response.writeHead(200, { ...json, "content-length": bytes.length }).end(bytes)
    return
  }
  response.writeHead(200, eventStream)
  if (perMillis === 0) {
    response.end(streamed)
    return
  }
  let at = head + 1
  response.write(events.slice(0, at).join(""))
  setTimeout(
    () =>
      every(perMillis, response, () => {
        response.write(events[at++])
        if (at < events.length) return true
        response.end()
        return false
      }),
    perMillis
  )
}

/** The answer with a byte that is not UTF-8 instead of the first of `word`. */
const garbled = (response: ServerResponse, asked: Asked, word: string): void => {
  const { streamed, whole } = spokenIn(asked.dialect)
  const bytes = Buffer.from(asked.stream ? streamed : whole)
  bytes[bytes.indexOf(word)] = 0xff
  begin(response, asked)
  response.end(bytes)
}

/** A byte at a time. */
const trickle = (response: ServerResponse, asked: Asked, perMillis: number): void => {
  const { streamed, whole } = spokenIn(asked.dialect)
  const bytes = Buffer.from(asked.stream ? streamed : whole)
  let at = 0
  begin(response, asked)
  every(perMillis, response, () => {
    response.write(bytes.subarray(at, ++at))
    if (at < bytes.length) return true
    response.end()
    return false
  })
}

/** Statuses with the kind of error that providers answer them with. */
const kinds: Readonly<Record<number, ErrorKind>> = {
  400: "bad-request",
  401: "auth",
  402: "payment",
  403: "forbidden",
  404: "not-found",
  408: "timeout",
  409: "conflict",
  413: "too-large",
  422: "bad-request",
  429: "rate",
  500: "server",
  502: "server",
  503: "overloaded",
  504: "timeout",
  529: "overloaded"
}

/** The headers by which a provider asks to wait. */
const waiting = (by: string | undefined, waitMillis: number): Readonly<Record<string, string>> => {
  const seconds = Math.ceil(waitMillis / 1_000)
  const now = Math.floor(Date.now() / 1_000) * 1_000
  switch (by) {
    case "seconds":
      return { "retry-after": String(seconds) }
    case "date":
      return { date: new Date(now).toUTCString(), "retry-after": new Date(now + seconds * 1_000).toUTCString() }
    case "ms":
      return { "retry-after-ms": String(waitMillis) }
    case "x-ratelimit":
      return {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": `${waitMillis}ms`,
        "x-ratelimit-limit-tokens": "150000",
        "x-ratelimit-remaining-tokens": "149984",
        "x-ratelimit-reset-tokens": "6m0s"
      }
    case "anthropic-ratelimit":
      return {
        date: new Date(now).toUTCString(),
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "0",
        "anthropic-ratelimit-requests-reset": new Date(now + seconds * 1_000).toISOString()
      }
    default:
      return {}
  }
}

const refuse = (
  response: ServerResponse,
  { dialect }: Asked,
  status: number,
  kind: ErrorKind,
  headers: Readonly<Record<string, string>>
): void => void response.writeHead(status, { ...json, ...headers }).end(JSON.stringify(errorOf(dialect, kind, status)))

/** A hash of a seed and a counter, in [0, 1): the finaliser of murmur3. */
const shareOf = (seed: number, number: number): number => {
  let h = Math.imul(number + 1, 0x9e3779b1) ^ Math.imul(seed + 1, 0x85ebca77)
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  h ^= h >>> 16
  return (h >>> 0) / 2 ** 32
}

/** Mostly well, and now and then everything that happens: in thousandths. */
const usualMix: ReadonlyArray<readonly [name: string, share: number]> = [
  ["ok", 900],
  ["429", 20],
  ["503", 15],
  ["500", 10],
  ["529", 10],
  ["reset", 10],
  ["cut-early", 7],
  ["cut-late", 7],
  ["error-early", 5],
  ["error-late", 5],
  ["broken-json", 4],
  ["empty", 3],
  ["page", 2],
  ["stall-early", 1],
  ["silence", 1]
]

/** What is neither the answer nor the mix. */
const plain: Readonly<Record<string, (params: Name["params"]) => Play>> = {
  silence: () => () => {},
  "headers-silence": () => begin,
  pings: () => (response, asked) => {
    begin(response, asked)
    every(40, response, () => response.write(asked.stream ? ": ping\n\n" : " ") || true)
  },
  "stall-early": () => (response, asked) => {
    begin(response, asked)
    response.write(until(asked, "early"))
  },
  "stall-late": () => (response, asked) => {
    begin(response, asked)
    response.write(until(asked, "late"))
  },
  reset: () => reset,
  "reset-late": () => (response, asked) => {
    begin(response, asked)
    response.write(until(asked, "late"), () => setTimeout(reset, 20, response))
  },
  "cut-length": () => (response, asked) => {
    const { streamed, whole } = spokenIn(asked.dialect)
    const said = asked.stream ? until(asked, "late") : whole
    begin(response, asked, { "content-length": String(Buffer.byteLength(asked.stream ? streamed : whole) + 500) })
    response.write(said, () => destroy(response))
  },
  "cut-early": () => (response, asked) => {
    begin(response, asked)
    response.write(until(asked, "early") || ": \n\n", () => destroy(response))
  },
  "cut-late": () => (response, asked) => {
    begin(response, asked)
    response.write(until(asked, "late"), () => destroy(response))
  },
  "unfinished-early": () => (response, asked) => {
    begin(response, asked)
    response.end(until(asked, "early"))
  },
  "unfinished-late": () => (response, asked) => {
    begin(response, asked)
    response.end(until(asked, "late"))
  },
  unterminated: () => (response, asked) => {
    const { events, whole } = spokenIn(asked.dialect)
    begin(response, asked)
    response.end(asked.stream ? events.slice(0, -1).join("") : whole.slice(0, -1))
  },
  "broken-json-early": () => (response, asked) => {
    begin(response, asked)
    response.end(asked.stream ? `${until(asked, "early")}data: {"id":\n\n` : until(asked, "early"))
  },
  "broken-json": () => (response, asked) => {
    const { events, head } = spokenIn(asked.dialect)
    begin(response, asked)
    response.end(
      asked.stream ? [...events.slice(0, head + 1), 'data: {"id":\n\n', ...events.slice(head + 1)].join("") : until(asked, "late")
    )
  },
  "invalid-utf8-early": () => (response, asked) => garbled(response, asked, "Left"),
  "invalid-utf8": () => (response, asked) => garbled(response, asked, "points"),
  "error-early": (params) => (response, asked) => {
    const kind = (params.get("kind") ?? "server") as ErrorKind
    begin(response, asked)
    response.end(asked.stream ? until(asked, "early") + errorEvent(asked.dialect, kind) : JSON.stringify(errorInside(asked.dialect, kind)))
  },
  "error-late": (params) => (response, asked) => {
    const kind = (params.get("kind") ?? "server") as ErrorKind
    begin(response, asked)
    response.end(asked.stream ? until(asked, "late") + errorEvent(asked.dialect, kind) : JSON.stringify(errorInside(asked.dialect, kind)))
  },
  "error-body": (params) => (response, asked) => {
    response.writeHead(200, json).end(JSON.stringify(errorInside(asked.dialect, (params.get("kind") ?? "server") as ErrorKind)))
  },
  empty: () => (response, asked) => void response.writeHead(200, typeFor(asked.stream)).end(),
  "no-content": () => (response) => void response.writeHead(204).end(),
  redirect: () => (response) => void response.writeHead(302, { location: "http://127.0.0.1:9/" }).end(),
  page: () => (response) => void response.writeHead(200, { "content-type": "text/html" }).end(page),
  "502-page": () => (response) => void response.writeHead(502, { "content-type": "text/html" }).end(page),
  gzip: () => (response, asked) => {
    const { streamed, whole } = spokenIn(asked.dialect)
    response.writeHead(200, { ...typeFor(asked.stream), "content-encoding": "gzip" }).end(gzipSync(asked.stream ? streamed : whole))
  },
  "wrong-type": () => (response, asked) => {
    // A stream where a whole answer was asked for, and the other way round.
    const { streamed, whole } = spokenIn(asked.dialect)
    response.writeHead(200, typeFor(!asked.stream)).end(asked.stream ? whole : streamed)
  },
  oversized: (params) => (response, asked) => {
    const filler = Buffer.alloc(Number(params.get("bytes") ?? 1_048_576), asked.stream ? ":" : " ")
    begin(response, asked)
    if (!asked.stream) {
      response.write(filler)
      response.end(spokenIn(asked.dialect).whole)
      return
    }
    // One event that never ends.
    response.write(until(asked, "early"))
    response.write("data: ")
    response.end(filler)
  },
  "400-context": () => (response, asked) => refuse(response, asked, 400, "context", {}),
  "400-filter": () => (response, asked) => refuse(response, asked, 400, "filter", {}),
  "429-quota": () => (response, asked) => refuse(response, asked, 429, "quota", {})
}

const number = (params: Name["params"], name: string, otherwise: number): number => {
  const value = Number(params.get(name) ?? otherwise)
  return Number.isFinite(value) && value >= 0 ? value : otherwise
}

const make = (name: string): Play | undefined => {
  const { base, params } = nameOf(name)
  const own = Object.hasOwn(plain, base) ? plain[base] : undefined
  if (own !== undefined) return own(params)
  const words = number(params, "words", 0)
  const perMillis = number(params, "per", 0)
  const firstMillis = number(params, "first", base === "delay" ? 100 : 0)
  if (base === "ok" || base === "delay") {
    if (firstMillis === 0) return (response, asked) => answer(response, asked, words, perMillis)
    return (response, asked) =>
      void setTimeout(() => {
        if (!response.destroyed) answer(response, asked, words, perMillis)
      }, firstMillis)
  }
  if (base === "trickle") return (response, asked) => trickle(response, asked, number(params, "per", 1))
  if (base === "flap") {
    const bad = playOf(params.get("as") ?? "503")!
    const good = playOf("ok")!
    const fails = number(params, "fails", 0)
    const [down, up] = [number(params, "down", 0), number(params, "up", 0)]
    return (response, asked) => {
      const { number, sinceFirstMillis } = asked
      const isDown = down > 0 ? (up > 0 ? sinceFirstMillis % (down + up) : sinceFirstMillis) < down : number < fails
      ;(isDown ? bad : good)(response, asked)
    }
  }
  if (base === "mix") {
    const known = new Set(["seed", "first", "per", "words"])
    const named = [...params].filter(([key]) => !known.has(key)).map(([key, share]) => [key, Number(share)] as const)
    const shares = named.length === 0 ? usualMix : named
    const sum = shares.reduce((all, [, share]) => all + share, 0)
    const well = `ok~first=${firstMillis},per=${perMillis},words=${words}`
    let below = 0
    const bounds = shares.map(([of, share]) => [(below += share / sum), playOf(of === "ok" ? well : of)!] as const)
    const seed = number(params, "seed", 0)
    return (response, asked) => {
      const share = shareOf(seed, asked.number)
      ;(bounds.find(([bound]) => share < bound) ?? bounds.at(-1)!)[1](response, asked)
    }
  }
  const status = Number(base)
  const kind = kinds[status]
  if (kind === undefined) return undefined
  const [by, waitMillis] = [params.get("by"), number(params, "wait", 1_000)]
  return (response, asked) => refuse(response, asked, status, kind, waiting(by, waitMillis))
}

const plays = new Map<string, Play | undefined>()

/** How the scenario of this name is played; undefined where there is none. */
export const playOf = (name: string): Play | undefined => {
  const at = name.indexOf("@")
  const key = at === -1 ? name : name.slice(0, at)
  if (!plays.has(key)) plays.set(key, make(key))
  return plays.get(key)
}
