/**
 * `turnout serve`: the gateway, with hot reload.
 */
import { statSync } from "node:fs"
import { resolve } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import { type Compiled, compile } from "../../src/Compile.ts"
import { gather } from "../AccessLog.ts"
import { collectAlone } from "../Engine.ts"
import { lookedFor, policyFrom, sourceOf } from "../Environment.ts"
import { type Gateway, GatewayRefused, start } from "../Gateway.ts"
import { defaults } from "../Live.ts"
import { type Models, startInWorker, type Running } from "../Mock.ts"
import { compiled, find, type Judged, judge, judgeLoaded, type LoadError, prices } from "../Policies.ts"
import * as Watch from "../Watch.ts"
import { version } from "../version.ts"
import { cannotSay, orSay, policyArgument, portFault, underOption, WrongUsage } from "./shared.ts"

const tell = (message: string): void => void process.stderr.write(`${message}\n`)

const mebibyte = 1024 * 1024

const plural = (n: number, word: string): string => `${n} ${word}${n === 1 ? "" : "s"}`

const describe = (name: string, { routes, shortHash, targets }: Compiled): string =>
  `${name}: ${plural(routes.length, "route")}, ${plural(targets.size, "target")}, hash ${shortHash}`

/** A model that a first call may ask for. */
const exampleModel = ({ models, policy }: Compiled): string => {
  const open = Object.entries(policy.providers).find(([, provider]) => provider.open)?.[0]
  return models.mentioned[0] ?? models.list()[0]?.name ?? `${open}/gpt-4o-mini`
}

/** How a first call shows its key, where it needs one: by the name of its variable, never by the secret. */
const keyHeader = ({ keys }: Compiled["policy"]): string => {
  const first = Object.values(keys)[0]
  if (first === undefined) return ""
  return ` -H "authorization: Bearer ${"env" in first.secret ? `$${first.secret.env}` : "…"}"`
}

const curl = (url: string, { policy }: Compiled, model: string): string =>
  `curl -sN ${url}/v1/chat/completions${keyHeader(policy)} -H 'content-type: application/json' -d '${JSON.stringify({
    model,
    stream: true,
    messages: [{ role: "user", content: "Which way?" }]
  })}'`

/** Runs the mock servers that a policy names, and no others. One whose settings stay is left alone, and the old ones go on if a new one cannot start. */
const mocks = Effect.gen(function* () {
  interface Mock {
    readonly settings: string
    readonly running: Running
  }
  let serving = new Map<string, Mock>()
  yield* Effect.addFinalizer(() =>
    Effect.promise(async () => void (await Promise.all([...serving.values()].map(({ running }) => running.close()))))
  )

  const change = async (compiled: Compiled): Promise<void> => {
    const next = new Map<string, Mock>()
    const replaced: Array<{ readonly address: string; readonly mock: Mock }> = []
    const begin = (address: string, settings: string): Promise<Running> => {
      const { hostname, port } = new URL(address)
      return startInWorker({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port), models: JSON.parse(settings) as Models })
    }
    try {
      for (const { baseUrl, mock } of Object.values(compiled.policy.providers)) {
        if (baseUrl === undefined || mock === undefined) continue
        const address = new URL(baseUrl).origin
        const settings = JSON.stringify(mock)
        const old = serving.get(address)
        if (old?.settings === settings) {
          next.set(address, old)
          continue
        }
        // Two servers cannot have one port, so this one has to go first.
        if (old !== undefined) {
          await old.running.close()
          replaced.push({ address, mock: old })
        }
        next.set(address, { settings, running: await begin(address, settings) })
        tell(`mock     ${address} answers for ${Object.keys(mock).join(", ")}`)
      }
    } catch (error) {
      for (const [address, mock] of next) if (serving.get(address) !== mock) await mock.running.close()
      for (const { address, mock } of replaced) serving.set(address, { ...mock, running: await begin(address, mock.settings) })
      throw error
    }
    for (const [address, { running }] of serving) if (!next.has(address)) await running.close()
    serving = next
  }
  return (compiled: Compiled): Effect.Effect<void, GatewayRefused> =>
    Effect.tryPromise({
      try: () => change(compiled),
      catch: (error) =>
        new GatewayRefused({ why: `the mock provider cannot start: ${error instanceof Error ? error.message : String(error)}` })
    })
})

interface Source {
  readonly name: string
  readonly compiled: Compiled
  /** Loads and checks it again. */
  readonly again: Effect.Effect<Judged, LoadError>
  /** What to watch: nothing of the environment's policy, but what is laid over it. */
  readonly files: ReadonlyArray<string>
  /** Unix time in milliseconds before it was read. */
  readonly readAt: number
}

const source = (named: Option.Option<string>, under: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const file = find(Option.getOrUndefined(named))
    const readAt = yield* Clock.currentTimeMillis
    if (file !== undefined) {
      const judged = yield* compiled(file, under)
      for (const line of judged.lines) tell(line)
      const found: Source = { name: judged.file, compiled: judged.compiled, again: judge(file, under), files: judged.loaded.files, readAt }
      return found
    }
    const json = policyFrom(process.env)
    if (json === undefined) {
      return yield* new WrongUsage({
        why: `there is no policy to serve: name one (\`turnout serve policy.ts\`), or set the key of a provider: ${lookedFor().join(", ")}`
      })
    }
    const again = judgeLoaded("the environment", { json, files: [], locate: () => undefined }, under)
    const { checked, lines, loaded } = yield* again
    if (checked.policy === undefined) return yield* new GatewayRefused({ why: lines.join("\n") })
    tell(`no policy is named: these are the providers whose keys are in the environment, as a policy:\n\n${sourceOf(json)}`)
    const found: Source = { name: "the environment", compiled: compile(checked.policy, prices), again, files: loaded.files, readAt }
    return found
  })

/** Begins to watch, and gives what reloads after every change, for ever: a policy that does not check never replaces one that does. */
const reloads = (
  { again: judgeAgain, files, readAt }: Source,
  gateway: Gateway,
  setMocks: (compiled: Compiled) => Effect.Effect<void, GatewayRefused>
): Effect.Effect<Effect.Effect<never>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const changes = yield* Queue.sliding<void>(1)
    const again = (): void => void Queue.offerUnsafe(changes, undefined)
    const watcher = yield* Watch.make(again)
    /** The file has last been something that does not serve. */
    let refused = false
    // What was watched stays watched: a half-saved file may import less than it will, or nothing.
    const watched = new Set<string>()
    const watchToo = (more: ReadonlyArray<string>): void => {
      for (const path of more) watched.add(path)
      watcher.set([...watched])
    }
    watchToo(files)
    // An edit between reading and watching would be seen by nobody.
    if (files.some((path) => (statSync(path, { throwIfNoEntry: false })?.ctimeMs ?? Infinity) > readAt)) again()
    process.on("SIGHUP", again)
    yield* Effect.addFinalizer(() => Effect.sync(() => void process.off("SIGHUP", again)))
    return Queue.take(changes).pipe(
      Effect.andThen(
        Effect.gen(function* () {
          const kept = `keeping the policy ${gateway.compiled().shortHash}`
          const judged = yield* judgeAgain.pipe(
            Effect.tapError((error) =>
              Effect.sync(() => {
                refused = true
                watchToo(error.files)
                tell(`\nRELOAD FAILED, ${kept}:`)
              })
            )
          )
          watchToo(judged.loaded.files)
          if (judged.checked.policy === undefined) {
            refused = true
            tell(`\nRELOAD REFUSED, ${kept}:`)
            for (const line of judged.lines) tell(line)
            return
          }
          const next = compile(judged.checked.policy, prices)
          if (next.hash === gateway.compiled().hash) {
            if (refused) tell(`the policy is again the one that serves, ${gateway.compiled().shortHash}`)
            refused = false
            return
          }
          refused = true
          for (const line of judged.lines) tell(line)
          yield* setMocks(next).pipe(Effect.tapError(() => Effect.sync(() => tell(`\nRELOAD FAILED, ${kept}:`))))
          yield* gateway.exchange(next).pipe(
            Effect.tapError(() => {
              tell(`\nRELOAD FAILED, ${kept}:`)
              return Effect.ignore(setMocks(gateway.compiled()))
            })
          )
          refused = false
          tell(`reloaded ${describe(judged.file, next)}`)
        }).pipe(Effect.catch((error) => Effect.sync(() => tell(error.message))))
      ),
      Effect.forever
    )
  })

/** A second signal does not wait. */
const secondSignal = Effect.addFinalizer(() =>
  Effect.sync(() => {
    tell("stopping: waiting for calls under way; once more to stop at once")
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(130))
  })
)

const seconds = (name: string, description: string, fallback: number) =>
  Flag.Int(name).pipe(Flag.withDescription(`${description} (default ${fallback} s)`), Flag.withDefault(fallback))

export const serve = Command.make(
  "serve",
  {
    policy: policyArgument,
    under: underOption,
    host: Flag.String("host").pipe(
      Flag.withDescription("address to listen on; without keys it must be a loopback one (default 127.0.0.1)"),
      Flag.withDefault("127.0.0.1")
    ),
    port: Flag.Int("port").pipe(Flag.withDescription("port to listen on; 0 for any free one (default 8080)"), Flag.withDefault(8080)),
    data: Flag.String("data").pipe(
      Flag.withDescription("the folder in which spend is kept, for policies with budgets (default .turnout)"),
      Flag.withDefault(".turnout")
    ),
    maxCalls: Flag.Int("max-calls").pipe(
      Flag.withDescription(`the most calls under way at once; more get 503 before their body is read (default ${defaults.maxCalls})`),
      Flag.withDefault(defaults.maxCalls)
    ),
    maxConnections: Flag.Int("max-connections").pipe(
      Flag.withDescription("the most open connections; more are closed as they come (default four times --max-calls)"),
      Flag.optional
    ),
    maxBody: Flag.Int("max-body").pipe(Flag.withDescription("the largest request body, in MiB (default 32)"), Flag.withDefault(32)),
    maxBodies: Flag.Int("max-bodies").pipe(
      Flag.withDescription(
        `the most bytes of request bodies held at once, in MiB; more get 503 (default ${defaults.maxHeldBytes / mebibyte})`
      ),
      Flag.withDefault(defaults.maxHeldBytes / mebibyte)
    ),
    drain: seconds("drain", "longest wait for calls under way when stopping", 30)
  },
  ({ data, drain, host, maxBodies, maxBody, maxCalls, maxConnections, policy, port, under }) =>
    orSay(
      Effect.scoped(
        Effect.gen(function* () {
          collectAlone()
          const fault = portFault(port)
          if (fault !== undefined) return yield* new WrongUsage({ why: fault })
          const most = Option.getOrElse(maxConnections, () => 4 * maxCalls)
          for (const [flag, n, least] of [
            ["--max-calls", maxCalls, 1],
            ["--max-connections", most, maxCalls],
            ["--max-body", maxBody, 1],
            ["--max-bodies", maxBodies, maxBody],
            ["--drain", drain, 0]
          ] as const)
            if (n < least) return yield* new WrongUsage({ why: `${flag} must be at least ${least}` })
          let serving = false
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              if (!serving) return
              process.exitCode = 0
              tell("stopped")
            })
          )
          // Calls are served whether or not anybody reads of them: the access log has its own way with a reader who has gone.
          process.stdout.off("error", cannotSay)
          const setMocks = yield* mocks
          const found = yield* source(policy, under)
          const { compiled: first, files, name } = found
          yield* setMocks(first)
          const gateway = yield* start(first, {
            ...defaults,
            host,
            port,
            tell,
            data: resolve(data),
            lines: gather(process.stdout, tell),
            secretOf: (secret) => process.env[secret.env] || undefined,
            maxBodyBytes: maxBody * mebibyte,
            maxHeldBytes: maxBodies * mebibyte,
            maxCalls,
            maxConnections: most,
            drainMillis: drain * 1_000
          })
          serving = true
          yield* secondSignal
          const rest = files.length === 0 ? Effect.never : yield* reloads(found, gateway, setMocks)
          tell(
            `turnout  ${version}\npolicy   ${describe(name, first)}\nready    ${gateway.url}\n\n${curl(gateway.url, first, exampleModel(first))}\n`
          )
          yield* rest
        })
      )
    )
).pipe(
  Command.withDescription(
    "Serve a policy: OpenAI's, Anthropic's and Gemini's APIs on one port, one JSON access line per call on standard output, everything for people on standard error. An edited policy is reloaded without dropping a call; one that does not check never replaces one that does. Without a policy, the providers whose usual keys are in the environment are offered."
  ),
  Command.withShortDescription("the gateway, with hot reload"),
  Command.withExamples([
    { command: "turnout serve policies/quickstart.ts", description: "mock deployments, no account needed" },
    { command: "OPENAI_API_KEY=… turnout serve", description: "no policy: models are addressed as openai/gpt-4o-mini" }
  ])
)
