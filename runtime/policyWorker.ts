/**
 * The worker that evaluates one policy file and ends: it starts with an empty environment, sends the name of every file that it loads,
 * then what came of it.
 *
 * `turnout` means the version that is running, wherever the policy lies: a resolve hook says so, so that neither a package nor
 * `node_modules` has to be near. The hook runs in this thread, before that of `tsx`, which loads TypeScript. What policy code prints
 * reaches the parent before the outcome does.
 */
import { realpathSync, statSync } from "node:fs"
import { registerHooks } from "node:module"
import { fileURLToPath, pathToFileURL } from "node:url"
import { parentPort, workerData } from "node:worker_threads"
import { plain } from "../src/Authoring.ts"
// Loaded here, before there are hooks, so that a policy's import finds it evaluated.
import "../src/index.ts"
import type { WorkerInput, WorkerMessage } from "./policyFile/Evaluate.ts"

const { entry, turnout } = workerData as WorkerInput
const send = (message: WorkerMessage) => parentPort!.postMessage(message)

const own = new URL("./", turnout).href
const seen = new Set<string>()
/** The first time that a file of the author's is loaded, the parent hears of it. */
const note = (url: string): void => {
  // `tsx` marks some of its URLs behind the name of the file.
  const path = fileURLToPath(url.replace(/(?:\?|%3F)tsx-.*$/i, ""))
  if (seen.has(path)) return
  seen.add(path)
  send({ _tag: "Loads", path })
}

/** The module that an exact relative or absolute specifier names, if it is there. */
const exactly = (specifier: string, parent: string | undefined): string | undefined => {
  const url = /^(?:\.{0,2}\/|file:)/.test(specifier) ? URL.parse(specifier, parent) : null
  if (url === null || !/\.m?[jt]s$/.test(url.pathname) || url.pathname.includes("/node_modules/")) return undefined
  const path = fileURLToPath(url)
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined
  return pathToFileURL(realpathSync(path)).href
}

// Read once, while the modules load: without them `esbuild` leaves a dead process behind for every worker that ends, and `tsx` runs code
// that it finds in a cache in the directory for temporary files, which other users of the machine may have written.
Object.assign(process.env, { ESBUILD_WORKER_THREADS: "0", TSX_DISABLE_CACHE: "1" })
const { register } = await import("tsx/esm/api")
for (const name of Object.keys(process.env)) delete process.env[name]
// Options of a `tsconfig.json` that happens to lie in the working directory must not change what a policy means.
register({ tsconfig: false })
registerHooks({
  resolve: (specifier, context, nextResolve) => {
    if (specifier === "turnout") return { url: turnout, shortCircuit: true }
    const exact = exactly(specifier, context.parentURL)
    if (exact !== undefined && !exact.startsWith(own)) {
      note(exact)
      // Always an ES module, whatever a `package.json` near it says, and JavaScript too as TypeScript, whose errors have a place.
      return { url: exact, format: "module-typescript", shortCircuit: true }
    }
    const resolved = nextResolve(specifier, context)
    if (resolved.url.startsWith("file:") && !resolved.url.startsWith(own) && !resolved.url.includes("/node_modules/")) note(resolved.url)
    return resolved
  }
})

const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return "something that has no text"
  }
}

/** Whatever was thrown, as data. */
const threw = (error: unknown): WorkerMessage => {
  if (!(error instanceof Error)) return { _tag: "Threw", name: "", message: textOf(error), stack: "" }
  const { message, name, stack = "" } = error
  return { _tag: "Threw", name, message, stack: textOf(stack) }
}

const evaluate = async (): Promise<WorkerMessage> => {
  try {
    const module = (await import(entry)) as Record<string, unknown>
    if (!("default" in module) || module["default"] === undefined) return { _tag: "NoDefaultExport", exports: Object.keys(module) }
    try {
      return { _tag: "Evaluated", json: JSON.stringify(plain(module["default"])) }
    } catch (error) {
      return { _tag: "NotData", problem: error instanceof Error ? error.message : textOf(error) }
    }
  } catch (error) {
    return threw(error)
  }
}

// Nothing is left to do, yet the policy is not evaluated. (A top-level `await` here would make Node print a warning of its own.)
process.once("beforeExit", () => send({ _tag: "Stopped", problem: "its top-level `await` waits for something that never comes" }))
void evaluate().then(async (outcome) => {
  // The parent ends this thread when it has the outcome, and what was printed travels another way: so it has to arrive before.
  for (const stream of [process.stdout, process.stderr]) await new Promise<void>((resolve) => void stream.write("", () => resolve()))
  send(outcome)
})
