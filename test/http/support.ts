/**
 * What the tests of the running gateway share: a provider that does as it is told, a gateway in this process, the command line as a child process,
 * and what goes over the wire.
 *
 * Everything that a test starts is stopped after it. Nothing here sleeps and hopes: `until` looks for a condition, up to a bound.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { NodeServices } from "@effect/platform-node"
import { Clock, Effect, Exit, Scope } from "effect"
import { Command } from "effect/cli"
import OpenAI from "openai"
import { afterAll, afterEach, vi } from "vitest"
import { build } from "../../runtime/commands/build.ts"
import { check as checkCommand } from "../../runtime/commands/check.ts"
import { explain } from "../../runtime/commands/explain.ts"
import { init } from "../../runtime/commands/init.ts"
import { mock } from "../../runtime/commands/mock.ts"
import { schema } from "../../runtime/commands/schema.ts"
import { serve } from "../../runtime/commands/serve.ts"
import { statusOf } from "../../runtime/commands/shared.ts"
import { test } from "../../runtime/commands/test.ts"
import { type Gateway, type GatewayOptions, start } from "../../runtime/Gateway.ts"
import { defaults } from "../../runtime/Live.ts"
import { version } from "../../runtime/version.ts"
import { check } from "../../src/Check.ts"
import { type Compiled, compile } from "../../src/Compile.ts"
import type { PolicyEncoded, StrategyEncoded } from "../../src/Policy.ts"

type Json = Readonly<Record<string, unknown>>

const stops: Array<() => Promise<unknown> | void> = []

/** Does this after the test, the last first. */
export const afterwards = (stop: () => Promise<unknown> | void): void => void stops.push(stop)

afterEach(async () => {
  while (stops.length > 0) await stops.pop()!()
})

/** Looks until there is something to see; fails when there is nothing within the bound. */
export const until = async <A>(look: () => A | undefined | false, what: string, millis = 10_000): Promise<A> => {
  const deadline = performance.now() + millis
  for (;;) {
    const seen = look()
    if (seen !== undefined && seen !== false) return seen
    if (performance.now() > deadline) throw new Error(`waited ${millis} ms for ${what}`)
    await sleep(3)
  }
}

/** What `promise` comes to, within a bound. */
export const soon = async <A>(promise: Promise<A>, what: string, millis = 10_000): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${millis} ms for ${what}`)), millis)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

// The provider.

/** A request as the provider got it. */
export interface Heard {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly json: Record<string, any>
  /** Whether the connection was closed before the answer was finished. */
  readonly dropped: boolean
}

export type Script = (response: ServerResponse, heard: Heard) => void

export interface ScriptedUpstream {
  readonly origin: string
  /** For a provider of the policy. */
  readonly baseUrl: string
  readonly heard: ReadonlyArray<Heard>
  /** The `n`th request (from 0), when it has come. */
  readonly nth: (n: number) => Promise<Heard>
  /** Answers the next requests like this, one after the other, and all after them like the last. */
  readonly plays: (...scripts: ReadonlyArray<Script>) => void
  /** Closes the port and every connection. */
  readonly kill: () => Promise<void>
}

/** Starts a provider that answers as it is told. */
export const startUpstream = async (...scripts: ReadonlyArray<Script>): Promise<ScriptedUpstream> => {
  let playing = scripts
  const heard: Array<Heard> = []
  const server = createServer((request, response) => {
    const parts: Array<Buffer> = []
    request.on("data", (part: Buffer) => parts.push(part))
    request.on("error", () => {})
    request.on("end", () => {
      const body = Buffer.concat(parts)
      let dropped = false
      response.on("close", () => {
        dropped = !response.writableFinished
      })
      const one: Heard = {
        method: request.method ?? "",
        path: request.url ?? "",
        headers: request.headers,
        body,
        json: parsed(body.toString()) as Record<string, any>,
        get dropped() {
          return dropped
        }
      }
      heard.push(one)
      const script = playing[0] ?? json({ error: { message: "no script" } }, { status: 500 })
      if (playing.length > 1) playing = playing.slice(1)
      script(response, one)
    })
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const kill = async (): Promise<void> => {
    if (!server.listening) return
    const closed = once(server, "close")
    server.close()
    server.closeAllConnections()
    await closed
  }
  afterwards(kill)
  return {
    origin,
    baseUrl: `${origin}/v1`,
    heard,
    nth: (n) => until(() => heard[n], `request ${n} to reach the provider`),
    plays: (...next) => {
      playing = next
    },
    kill
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

interface How {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
}

/** A whole body, as it is. */
export const body =
  (text: string | Uint8Array, { headers, status = 200 }: How = {}): Script =>
  (response) =>
    void response.writeHead(status, { "content-type": "application/json", ...headers }).end(text)

/** A whole body of JSON. */
export const json = (value: unknown, how?: How): Script => body(JSON.stringify(value), how)

/** An error in OpenAI's shape. */
export const refusal = (status: number, error: Json, headers: Readonly<Record<string, string>> = {}): Script =>
  json({ error: { message: `refused with ${status}`, type: null, param: null, code: null, ...error } }, { status, headers })

const eventStream = { "content-type": "text/event-stream; charset=utf-8" }

/** A stream of these pieces, each in a write of its own. */
export const stream =
  (pieces: Iterable<string | Uint8Array>, { headers, status = 200 }: How = {}): Script =>
  (response) => {
    response.writeHead(status, { ...eventStream, ...headers })
    for (const piece of pieces) response.write(piece)
    response.end()
  }

/** Takes the request and says nothing. */
export const silence: Script = () => {}

/** Resets the connection instead of answering. */
export const reset: Script = (response) => void response.socket?.resetAndDestroy()

/** Begins an answer and cuts the connection after these bytes. */
export const cut =
  (text: string, { headers, status = 200 }: How = {}): Script =>
  (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers })
    response.write(text, () => response.socket?.end())
  }

/** Begins a stream and cuts it after these bytes. */
export const cutStream = (text: string): Script => cut(text, { headers: eventStream })

/** Sends an interim answer (early hints) first. */
export const hinting =
  (script: Script): Script =>
  (response, heard) => {
    response.writeEarlyHints({ link: "</style.css>; rel=preload" })
    response.writeProcessing()
    script(response, heard)
  }

/** A stream on command. */
export interface Paced {
  readonly script: Script
  /** The request has come, and the head of the answer has left. */
  readonly began: Promise<void>
  readonly write: (piece: string) => void
  readonly end: () => void
  /** Cuts the connection. */
  readonly cut: () => void
  readonly dropped: () => boolean
}

export const paced = (): Paced => {
  let open: ServerResponse | undefined
  let heard: Heard | undefined
  let start: () => void
  const began = new Promise<void>((resolve) => {
    start = resolve
  })
  return {
    script: (response, one) => {
      open = response
      heard = one
      response.writeHead(200, eventStream)
      response.flushHeaders()
      start()
    },
    began: soon(began, "the stream to be asked for"),
    write: (piece) => void open!.write(piece),
    end: () => void open!.end(),
    cut: () => void open!.socket?.destroy(),
    dropped: () => heard?.dropped === true
  }
}

// What OpenAI and Anthropic say.

export const usage = {
  prompt_tokens: 11,
  completion_tokens: 7,
  total_tokens: 18,
  prompt_tokens_details: { cached_tokens: 3, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 2, audio_tokens: 0 }
}

export const completion = (content: string | null, more: Json = {}, finish = "stop"): Json => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1_700_000_000,
  model: "gpt-upstream-2025-01-01",
  choices: [{ index: 0, message: { role: "assistant", content, refusal: null, ...more }, logprobs: null, finish_reason: finish }],
  usage,
  system_fingerprint: "fp_1"
})

export const event = (data: unknown, name?: string): string =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`

const chunkHead = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_700_000_000, model: "gpt-upstream-2025-01-01" }

/** One chunk of OpenAI's stream. */
export const chunk = (delta: Json, finish: string | null = null): string =>
  event({ ...chunkHead, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }], usage: null })

export const opening = chunk({ role: "assistant", content: "", refusal: null })
export const closing = chunk({}, "stop")
export const usageChunk = event({ ...chunkHead, choices: [], usage })
export const done = event("[DONE]")

/** A stream of OpenAI's that says these words and reports its usage. */
export const chunks = (...words: ReadonlyArray<string>): ReadonlyArray<string> => [
  opening,
  ...words.map((content) => chunk({ content })),
  closing,
  usageChunk,
  done
]

/** One event of Anthropic's stream. */
export const claude = (type: string, more: Json = {}): string => event({ type, ...more }, type)

export const message = (content: ReadonlyArray<unknown>, more: Json = {}): Json => ({
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "claude-sonnet-4-5-20250929",
  content,
  stop_reason: "end_turn",
  stop_sequence: null,
  usage: { input_tokens: 10, cache_read_input_tokens: 4, cache_creation_input_tokens: 2, output_tokens: 6 },
  ...more
})

export const messageStart = claude("message_start", {
  message: message([], {
    stop_reason: null,
    usage: { input_tokens: 10, cache_read_input_tokens: 4, cache_creation_input_tokens: 2, output_tokens: 1 }
  })
})

export const textBlock = (index: number, ...words: ReadonlyArray<string>): string =>
  [
    claude("content_block_start", { index, content_block: { type: "text", text: "" } }),
    ...words.map((text) => claude("content_block_delta", { index, delta: { type: "text_delta", text } })),
    claude("content_block_stop", { index })
  ].join("")

export const messageEnd = (reason: string, more: Json = {}): string =>
  claude("message_delta", { delta: { stop_reason: reason, stop_sequence: null, ...more }, usage: { output_tokens: 6 } }) +
  claude("message_stop")

/** An error in Anthropic's shape. */
export const claudeRefusal = (status: number, type: string, text: string, headers: Readonly<Record<string, string>> = {}): Script =>
  json({ type: "error", error: { type, message: text }, request_id: "req_1" }, { status, headers })

// The gateway.

/** An access line. */
export interface Line {
  readonly id: string
  readonly key?: string
  readonly api: string
  readonly ending: "served" | "failed" | "refused" | "cancelled"
  readonly status: number
  readonly duration_ms: number
  readonly policy?: string
  readonly model?: string
  readonly stream?: boolean
  readonly route?: string
  readonly decision?: string
  readonly target?: string
  readonly provider?: string
  readonly error?: string
  readonly message?: string
  readonly attempts?: ReadonlyArray<{
    readonly target: string
    readonly why: string
    /** The variable of its key. */
    readonly credential?: string
    readonly outcome: string
    readonly status?: number
    readonly input_tokens?: number
    readonly output_tokens?: number
    readonly first_token_ms?: number
    readonly message?: string
    readonly committed?: true
    readonly losses?: ReadonlyArray<string>
    readonly more_losses?: number
    readonly changed?: ReadonlyArray<string>
    readonly nano_dollars?: number
    readonly reserved_nano_dollars?: number
    readonly estimated?: true
  }>
  readonly rejections?: ReadonlyArray<{ readonly target: string; readonly by: string }>
}

export interface StartedGateway {
  readonly url: string
  readonly port: number
  readonly hash: string
  readonly lines: ReadonlyArray<Line>
  /** All access lines as they were written, and everything that was told to people. */
  readonly said: () => string
  /** The `n`th access line (from 0), when it has been written. */
  readonly line: (n: number) => Promise<Line>
  readonly exchange: (policy: PolicyEncoded) => Promise<void>
  /** Lets time pass for breakers and deadlines. */
  readonly pass: (millis: number) => void
  readonly stop: () => Promise<void>
}

export interface StartOptions extends Partial<Omit<GatewayOptions, "lines" | "secretOf" | "tell">> {
  readonly secrets?: Readonly<Record<string, string>>
  /** The wall clock's time at the beginning, in Unix milliseconds; it stands still until time is let pass. */
  readonly at?: number
}

/** Checks and compiles a policy that must be sound. */
export const compiledOf = (policy: PolicyEncoded): Compiled => {
  const { findings, policy: sound } = check(policy)
  if (sound === undefined) throw new Error(findings.map(({ message, place }) => `${place}: ${message}`).join("\n"))
  return compile(sound)
}

/** The usual secrets of a test's providers. */
export const secrets = { ONE_KEY: "sk-one-0123456789", TWO_KEY: "sk-two-0123456789" }

/** Starts a gateway in this process on a free port. */
export const startGateway = async (
  policy: PolicyEncoded,
  { at, secrets: table = secrets, ...options }: StartOptions = {}
): Promise<StartedGateway> => {
  const lines: Array<Line> = []
  const said: Array<string> = []
  const real = Effect.runSync(Clock.Clock)
  let ahead = 0n
  const clock: Clock.Clock = Object.assign(Object.create(real) as Clock.Clock, {
    monotonicTimeNanosUnsafe: () => real.monotonicTimeNanosUnsafe() + ahead,
    currentTimeMillisUnsafe: () => (at ?? real.currentTimeMillisUnsafe()) + Number(ahead / 1_000_000n)
  })
  const scope = Scope.makeUnsafe()
  const gateway: Gateway = await Effect.runPromise(
    start(compiledOf(policy), {
      ...defaults,
      host: "127.0.0.1",
      port: 0,
      maxBodyBytes: 32 * 1024 * 1024,
      drainMillis: 0,
      // Made when a policy has budgets, and gone with the test.
      data: ledgerDirectory(),
      ...options,
      tell: (text) => void said.push(text),
      lines: {
        write: (line) => {
          said.push(line)
          lines.push(JSON.parse(line) as Line)
        },
        flush: () => {}
      },
      secretOf: ({ env }) => table[env as keyof typeof table]
    }).pipe(Scope.provide(scope), Effect.provideService(Clock.Clock, clock))
  )
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  afterwards(stop)
  return {
    url: gateway.url,
    port: gateway.port,
    hash: gateway.compiled().hash,
    lines,
    said: () => said.join("\n"),
    line: (n) => until(() => lines[n], `access line ${n}`),
    exchange: (next) => Effect.runPromise(Effect.provideService(gateway.exchange(compiledOf(next)), Clock.Clock, clock)),
    pass: (millis) => {
      ahead += BigInt(millis) * 1_000_000n
    },
    stop
  }
}

/** A policy over providers that listen here: one target for each, named as its provider is, and one route, `only`. */
export const policyOver = (
  upstreams: Readonly<Record<string, { readonly baseUrl: string; readonly dialect?: "openai" | "anthropic"; readonly model?: string }>>,
  to: StrategyEncoded,
  more: Partial<PolicyEncoded> = {}
): PolicyEncoded => ({
  name: "test",
  providers: Object.fromEntries(
    Object.entries(upstreams).map(([name, { baseUrl, dialect = "openai" }]) => [
      name,
      { dialect, baseUrl, key: { env: `${name.toUpperCase()}_KEY` } }
    ])
  ),
  targets: Object.fromEntries(
    Object.entries(upstreams).map(([name, { dialect = "openai", model }]) => [
      name,
      { provider: name, model: model ?? (dialect === "anthropic" ? "claude-sonnet-4-5" : `gpt-${name}`) }
    ])
  ),
  routes: [{ name: "only", to }],
  ...more
})

/** The official client. */
export const clientOf = ({ url }: { readonly url: string }, maxRetries?: number): OpenAI =>
  new OpenAI({ apiKey: "callers-own-key", baseURL: `${url}/v1`, ...(maxRetries === undefined ? {} : { maxRetries }) })

// Bytes.

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly json: Record<string, any>
}

export interface Sent {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is; several pieces are sent chunked. */
  readonly body?: string | Uint8Array | ReadonlyArray<string | Uint8Array>
}

/** One request, exactly as given but for `Host`, on a connection of its own. */
export const send = ({ port }: { readonly port: number }, { body: given = "", headers, method = "POST", path }: Sent = {}) =>
  soon(
    new Promise<Answered>((resolve, reject) => {
      const pieces = typeof given === "string" || given instanceof Uint8Array ? undefined : given
      const request = httpRequest({
        host: "127.0.0.1",
        port,
        method,
        path: path ?? "/v1/chat/completions",
        agent: false,
        headers: {
          "content-type": "application/json",
          ...(pieces === undefined ? { "content-length": Buffer.byteLength(given as string) } : {}),
          ...headers
        }
      })
      request.on("response", (response) => {
        const parts: Array<Buffer> = []
        response.on("data", (part: Buffer) => parts.push(part))
        response.on("error", reject)
        response.on("end", () => {
          const whole = Buffer.concat(parts)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: whole,
            json: parsed(whole.toString()) as Record<string, any>
          })
        })
      })
      request.on("error", reject)
      for (const piece of pieces ?? []) request.write(piece)
      request.end(pieces === undefined ? given : undefined)
    }),
    "an answer",
    20_000
  )

/** A body of a Chat Completions request. */
export const asking = (more: Json = {}): string =>
  JSON.stringify({ model: "any", messages: [{ role: "user", content: "Which way?" }], ...more })

/** A connection to write on by hand. */
export interface RawConnection {
  readonly socket: Socket
  /** What has come so far. */
  readonly text: () => string
  readonly closed: () => boolean
}

export const dial = async ({ port }: { readonly port: number }): Promise<RawConnection> => {
  const socket = connect(port, "127.0.0.1")
  let text = ""
  let closed = false
  socket.setEncoding("latin1")
  socket.on("data", (part: string) => {
    text += part
  })
  socket.on("error", () => {})
  socket.on("close", () => {
    closed = true
  })
  afterwards(() => void socket.destroy())
  await once(socket, "connect")
  return { socket, text: () => text, closed: () => closed }
}

/** A streamed answer whose reader stops reading whenever the test does. */
export const openStream = async ({ port }: { readonly port: number }, body: string): Promise<IncomingMessage> => {
  const request = httpRequest({
    host: "127.0.0.1",
    port,
    method: "POST",
    path: "/v1/chat/completions",
    agent: false,
    headers: { "content-type": "application/json" }
  })
  request.end(body)
  const [response] = (await soon(once(request, "response"), "the head of the answer")) as [IncomingMessage]
  response.on("error", () => {})
  afterwards(() => void response.destroy())
  return response
}

// The command line.

const root = fileURLToPath(new URL("../../", import.meta.url))

let compiled: string | undefined
/** Node keeps here what it has compiled, so that the second process of a file starts in two thirds of the time. */
const compileCache = (): string => (compiled ??= mkdtempSync(join(tmpdir(), "turnout-compiled-")))

afterAll(() => {
  if (compiled !== undefined) rmSync(compiled, { recursive: true, force: true })
})

/** A directory for one test, in `base`. */
export const directory = (files: Readonly<Record<string, string>> = {}, base = tmpdir()): ((name: string) => string) => {
  const path = mkdtempSync(join(base, "turnout-"))
  afterwards(() => rmSync(path, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(path, name), text)
  return (name) => join(path, name)
}

/**
 * A directory for one test's ledger, in memory where the machine has such a place: a call is refused where the disk takes longer than 100 ms, which a busy
 * machine's may, and which no test but the store's own is about.
 */
export const ledgerDirectory = (): string => directory({}, existsSync("/dev/shm") ? "/dev/shm" : tmpdir())("data")

export interface CliOptions {
  readonly cwd?: string
  readonly stdin?: string
  /** Another Node, or another entry. */
  readonly command?: readonly [node: string, entry: string]
}

export interface Cli {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** The exit status; for a process that a signal has ended, the signal. */
  readonly ended: (millis?: number) => Promise<number | NodeJS.Signals>
  /** The address that its `ready` line names. */
  readonly ready: () => Promise<{ readonly url: string; readonly port: number }>
  /** Waits for `text` on standard error. */
  readonly tells: (text: string | RegExp) => Promise<void>
  /** The access lines so far. */
  readonly lines: () => ReadonlyArray<Line>
}

/** Starts `turnout` with these arguments; the environment is empty but for `env` and what a process needs. */
export const spawnCli = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  { command = [process.execPath, join(root, "runtime/main.ts")], cwd = root, stdin }: CliOptions = {}
): Cli => {
  const [node, entry] = command
  const child = spawn(node, [entry, ...args], {
    cwd,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], NO_COLOR: "1", NODE_COMPILE_CACHE: compileCache(), ...env },
    stdio: [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe"]
  })
  let out = ""
  let err = ""
  let status: number | NodeJS.Signals | undefined
  child.stdout!.setEncoding("utf8").on("data", (part: string) => {
    out += part
  })
  child.stderr!.setEncoding("utf8").on("data", (part: string) => {
    err += part
  })
  child.on("close", (code, signal) => {
    status = code ?? signal ?? 0
  })
  child.on("error", (error) => {
    err += String(error)
    status = -1
  })
  if (stdin !== undefined) child.stdin!.end(stdin)
  const dead = (): number | NodeJS.Signals | undefined => status
  afterwards(async () => {
    if (dead() !== undefined) return
    child.kill("SIGKILL")
    await until(() => dead() !== undefined, "the process to be killed")
  })
  const tells = async (text: string | RegExp): Promise<void> => {
    const found = () => (typeof text === "string" ? err.includes(text) : text.test(err))
    try {
      await until(() => found() || status !== undefined, `\`${text}\` on standard error`, 20_000)
    } catch (error) {
      throw new Error(`${(error as Error).message}; there is:\n${err}`, { cause: error })
    }
    if (!found()) throw new Error(`it ended with ${status} before \`${text}\` on standard error:\n${err}`)
  }
  return {
    child,
    stdout: () => out,
    stderr: () => err,
    ended: (millis = 20_000) => until(() => status, `the process to end; it has said:\n${err}`, millis),
    ready: async () => {
      await tells(/^ready +\S+\n/m)
      const url = /^ready +(\S+)$/m.exec(err)![1]!
      return { url, port: Number(new URL(url).port) }
    },
    tells,
    lines: () =>
      out
        .split("\n")
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line)
  }
}

/** Starts `turnout serve …` and waits until it is ready. */
export const startCli = async (
  args: ReadonlyArray<string>,
  env?: Readonly<Record<string, string>>,
  options?: CliOptions
): Promise<Cli & { readonly url: string; readonly port: number }> => {
  const cli = spawnCli(args, env, options)
  return { ...cli, ...(await cli.ready()) }
}

/** Runs `turnout` to its end. */
export const runCli = async (args: ReadonlyArray<string>, env?: Readonly<Record<string, string>>, options?: CliOptions): Promise<Ran> => {
  const cli = spawnCli(args, env, options)
  const status = await cli.ended()
  return { status, stdout: cli.stdout(), stderr: cli.stderr() }
}

const turnout = Command.make("turnout").pipe(Command.withSubcommands([serve, init, test, checkCommand, explain, build, schema, mock]))

export interface Ran {
  readonly status: number | NodeJS.Signals
  readonly stdout: string
  readonly stderr: string
}

const runOnce = async (args: ReadonlyArray<string>): Promise<Ran> => {
  let [stdout, stderr] = ["", ""]
  const out = (text: unknown): boolean => {
    stdout += String(text)
    return true
  }
  const err = (text: unknown): boolean => {
    stderr += String(text)
    return true
  }
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation(out),
    vi.spyOn(process.stderr, "write").mockImplementation(err),
    vi.spyOn(console, "log").mockImplementation((text: unknown) => void out(`${String(text)}\n`)),
    vi.spyOn(console, "error").mockImplementation((text: unknown) => void err(`${String(text)}\n`))
  ]
  try {
    const exit = await Effect.runPromiseExit(Command.runWith(turnout, { version })(args).pipe(Effect.provide(NodeServices.layer)))
    return { status: statusOf(exit), stdout, stderr }
  } finally {
    for (const spy of spies) spy.mockRestore()
    process.exitCode = undefined
  }
}

let before: Promise<unknown> = Promise.resolve()

/** Runs `turnout` in this process, which takes a tenth of the time: as `main.ts` does, but for signals and standard input. One at a time. */
export const runHere = (...args: ReadonlyArray<string>): Promise<Ran> => {
  const run = before.then(() => runOnce(args))
  before = run.catch(() => {})
  return run
}
