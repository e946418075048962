/**
 * Evaluates a policy file that is code, in a worker of its own (`policyWorker.ts`), which is killed when it is done, late or no longer
 * wanted.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Worker } from "node:worker_threads"
import { fileURLToPath, pathToFileURL } from "node:url"

/** What the worker is given. */
export interface WorkerInput {
  /** URL of the policy. */
  readonly entry: string
  /** URL of the module that `turnout` means. */
  readonly turnout: string
}

/** What the worker says. */
export type WorkerMessage =
  | { readonly _tag: "Loads"; readonly path: string }
  | { readonly _tag: "Evaluated"; readonly json: string }
  | { readonly _tag: "NoDefaultExport"; readonly exports: ReadonlyArray<string> }
  | { readonly _tag: "NotData"; readonly problem: string }
  | { readonly _tag: "Threw"; readonly name: string; readonly message: string; readonly stack: string }
  | { readonly _tag: "Stopped"; readonly problem: string }

/** What came of it. */
export type Outcome = Exclude<WorkerMessage, { readonly _tag: "Loads" }> | { readonly _tag: "TimedOut" }

const extension = import.meta.url.endsWith(".ts") ? ".ts" : ".js"
const workerUrl = new URL(`../policyWorker${extension}`, import.meta.url)
const turnoutUrl = new URL(`../../src/index${extension}`, import.meta.url)
const maxHeapMegabytes = 256

/** Where the text that a policy prints goes. */
export interface Output {
  readonly write: (chunk: Uint8Array) => unknown
}

const start = (file: string, output: Output): Worker => {
  const input: WorkerInput = { entry: pathToFileURL(file).href, turnout: turnoutUrl.href }
  const worker = new Worker(workerUrl, {
    workerData: input,
    env: {},
    // Whatever this process was started with (a test runner, an agent) is not part of what a policy means.
    execArgv: ["--disable-warning=ExperimentalWarning"],
    resourceLimits: { maxOldGenerationSizeMb: maxHeapMegabytes, stackSizeMb: 4 },
    stdin: false,
    stdout: true,
    stderr: true
  })
  for (const stream of [worker.stdout, worker.stderr]) stream.on("data", (chunk: Uint8Array) => output.write(chunk))
  return worker
}

const outcomeOf = (worker: Worker, onLoad: (path: string) => void) =>
  Effect.callback<Outcome>((resume) => {
    worker.on("message", (message: WorkerMessage) => (message._tag === "Loads" ? onLoad(message.path) : resume(Effect.succeed(message))))
    worker.on("error", (error: unknown) => {
      const { code, message = String(error), name = "", stack = "" } = (error ?? {}) as Partial<Error> & { readonly code?: string }
      resume(
        Effect.succeed(
          code === "ERR_WORKER_OUT_OF_MEMORY"
            ? { _tag: "Stopped", problem: `it needs more than ${maxHeapMegabytes} MB of memory` }
            : { _tag: "Threw", name, message, stack }
        )
      )
    })
    worker.on("exit", (code) => resume(Effect.succeed({ _tag: "Stopped", problem: `it ends its own process (\`process.exit(${code})\`)` })))
  })

/** Evaluates `file`; `onLoad` hears of every local file that it loads, also when nothing comes of it. */
export const evaluate = (
  file: string,
  options: { readonly timeLimit: Duration.Input; readonly output: Output; readonly onLoad: (path: string) => void }
) =>
  Effect.acquireUseRelease(
    Effect.sync(() => start(file, options.output)),
    (worker) =>
      outcomeOf(worker, options.onLoad).pipe(
        Effect.timeoutOrElse({ duration: options.timeLimit, orElse: () => Effect.succeed<Outcome>({ _tag: "TimedOut" }) })
      ),
    (worker) => Effect.promise(() => worker.terminate())
  )

/** The frames of a stack that lie in `files`, as `at callee (path:line:column)`. */
export const framesIn = (stack: string, files: ReadonlySet<string>): ReadonlyArray<string> =>
  stack.split("\n").flatMap((line) => {
    const match = /^\s*at (.*?)\(?((?:file:\/\/|\/|[A-Za-z]:\\).*?)(?:\?[^:]*)?:(\d+):(\d+)\)?$/.exec(line)
    if (match === null) return []
    const [, callee, where, row, column] = match as unknown as [string, string, string, string, string]
    const path = where.startsWith("file:") ? fileURLToPath(where) : where
    if (!files.has(path)) return []
    const place = `${path}:${row}:${column}`
    const name = callee.trim()
    return [name === "" || name === "<anonymous>" ? `at ${place}` : `at ${name} (${place})`]
  })
