/**
 * Loads a policy file: JSON and YAML are parsed with the places of their parts, TypeScript and JavaScript are evaluated in a fresh
 * worker. What comes back is JSON that nobody has judged yet; `Policy.ts` decodes it whatever it was written in.
 *
 * A worker for every load is what makes reloading true: importing again with a query would evaluate the entry alone and not what it
 * imports. The worker has no environment, a time limit and a memory limit. That keeps secrets out of policies and the gateway alive; it
 * is not a sandbox, a policy can still read files. Runs when the gateway starts, when a file changes, and in the commands; never while a
 * call is served.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Match from "effect/Match"
import * as Schema from "effect/Schema"
import { readFile } from "node:fs/promises"
import { extname, resolve } from "node:path"
import { evaluate, framesIn } from "./policyFile/Evaluate.ts"
import type { Outcome, Output } from "./policyFile/Evaluate.ts"
import { parseJson } from "./policyFile/Json.ts"
import { locator, placeOf } from "./policyFile/Places.ts"
import type { Parsed, Place } from "./policyFile/Places.ts"
import { parseYaml } from "./policyFile/Yaml.ts"

export type { Place } from "./policyFile/Places.ts"

/** A policy file that has been read. */
export interface Loaded {
  /** What it holds: JSON, not decoded. */
  readonly json: unknown
  /** Absolute paths of the policy and of every local file that it imports: what to watch. */
  readonly files: ReadonlyArray<string>
  /** Where the closest existing part to a path stands; undefined for a policy that is code. */
  readonly locate: (path: ReadonlyArray<PropertyKey>) => Place | undefined
}

/** Options of `load`. */
export interface LoadOptions {
  /** How long a policy that is code may take; 10 seconds unless said. */
  readonly timeLimit?: Duration.Input
  /** Where goes what a policy prints; standard error unless said, for standard output belongs to the command. */
  readonly output?: Output
}

/** Why a policy file could not be loaded. */
export const Reason = Schema.TaggedUnion({
  NotFound: {},
  Unreadable: { problem: Schema.String },
  UnknownExtension: { extension: Schema.String },
  Syntax: { problem: Schema.String, file: Schema.String, line: Schema.Int, column: Schema.Int },
  /** `at` holds the lines of the stack that lie in the author's own files. */
  Threw: { problem: Schema.String, at: Schema.Array(Schema.String) },
  NoDefaultExport: { exports: Schema.Array(Schema.String) },
  NotData: { problem: Schema.String },
  TimedOut: { limit: Schema.String },
  /** The worker ended before the policy was evaluated. */
  Stopped: { problem: Schema.String }
})
export type Reason = typeof Reason.Type

const messageOf = (file: string, reason: Reason): string =>
  Match.valueTags(reason, {
    NotFound: () => `no file \`${file}\`: expected a policy in TypeScript, JavaScript, JSON or YAML`,
    Unreadable: ({ problem }) => `cannot read \`${file}\`: ${problem}`,
    UnknownExtension: ({ extension }) =>
      `\`${file}\` ${extension === "" ? "has no extension" : `ends in \`${extension}\``}: expected ${extensions.map((name) => `\`${name}\``).join(", ")}`,
    Syntax: ({ column, file: at, line, problem }) => `\`${at}:${line}:${column}\` ${problem}`,
    Threw: ({ at, problem }) => [`\`${file}\` throws while it is evaluated: ${problem}`, ...at.map((frame) => `    ${frame}`)].join("\n"),
    NoDefaultExport: ({ exports }) =>
      `\`${file}\` has no default export${exports.length === 0 ? "" : ` (only ${exports.map((name) => `\`${name}\``).join(", ")})`}: ` +
      "expected `export default policy({ … })`",
    NotData: ({ problem }) => `the default export of \`${file}\` is not data: ${problem}`,
    TimedOut: ({ limit }) => `\`${file}\` is not evaluated after ${limit}: a policy is data, so look for a loop or a wait in it`,
    Stopped: ({ problem }) => `\`${file}\` is not evaluated to its end: ${problem}`
  })

/** A policy file could not be loaded. */
export class PolicyFileError extends Schema.TaggedError<PolicyFileError>()("PolicyFileError", {
  /** The file as it was asked for. */
  file: Schema.String,
  /** What to watch for a mended version, as far as it is known. */
  files: Schema.Array(Schema.String),
  reason: Reason
}) {
  override get message() {
    return messageOf(this.file, this.reason)
  }
}

const parsers: Readonly<Record<string, (text: string) => Parsed>> = { ".json": parseJson, ".yaml": parseYaml, ".yml": parseYaml }
const code = [".ts", ".mts", ".js", ".mjs"]
const extensions = [...code, ...Object.keys(parsers)]

const read = (path: string): Effect.Effect<string, Reason> =>
  Effect.tryPromise({
    try: async () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(await readFile(path)),
    catch: (error): Reason => {
      if (error instanceof TypeError) return { _tag: "Unreadable", problem: "expected UTF-8" }
      const { code, message } = error as NodeJS.ErrnoException
      if (code === "ENOENT" || code === "ENOTDIR") return { _tag: "NotFound" }
      const known: Readonly<Record<string, string>> = { EISDIR: "it is a directory", EACCES: "this process may not read it" }
      return { _tag: "Unreadable", problem: known[code ?? ""] ?? message }
    }
  })

/** `json` without the `$schema` that its file names for editors: it is about the file, and the same policy has the same hash without it. */
const withoutSchema = (json: unknown): unknown => {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return json
  const { $schema, ...policy } = json as { readonly $schema?: unknown }
  return typeof $schema === "string" ? policy : json
}

/** The fault that `esbuild` found, which names the file that it read; its columns start at 0. */
const syntaxFault = (message: string, files: ReadonlySet<string>): Reason | undefined => {
  const match = /^(.+):(\d+):(\d+): ERROR: (.*)$/m.exec(message)
  if (match === null) return undefined
  const [, name, line, column, problem] = match as unknown as [string, string, string, string, string]
  // `tsx` shows it `x.mjs` as `x.js`.
  const file = [name, name.replace(/\.(?=[jt]s$)/, ".m")].find((path) => files.has(path)) ?? name
  return {
    _tag: "Syntax",
    file,
    line: Number(line),
    column: Number(column) + 1,
    problem: problem.slice(0, 1).toLowerCase() + problem.slice(1)
  }
}

const reasonOf = (outcome: Exclude<Outcome, { readonly _tag: "Evaluated" }>, files: ReadonlySet<string>, limit: Duration.Input): Reason =>
  Match.valueTags(outcome, {
    NoDefaultExport: (reason): Reason => reason,
    NotData: (reason): Reason => reason,
    Stopped: (reason): Reason => reason,
    TimedOut: (): Reason => ({ _tag: "TimedOut", limit: Duration.format(Duration.fromInputUnsafe(limit)) }),
    Threw: ({ message, name, stack }): Reason =>
      (message.startsWith("Transform failed") ? syntaxFault(message, files) : undefined) ?? {
        _tag: "Threw",
        problem: message === "" ? name : message,
        at: framesIn(stack, files)
      }
  })

/** Loads the policy at `file`, a path relative to the working directory. */
export const load = Effect.fnUntraced(function* (file: string, options: LoadOptions = {}): Effect.fn.Return<Loaded, PolicyFileError> {
  const path = resolve(file)
  const extension = extname(path).toLowerCase()
  const files = new Set([path])
  const fail = (reason: Reason) => new PolicyFileError({ file, files: [...files], reason })

  const parse = parsers[extension]
  if (parse === undefined && !code.includes(extension)) return yield* fail({ _tag: "UnknownExtension", extension })

  const text = yield* Effect.mapError(read(path), fail)
  if (parse !== undefined) {
    const parsed = parse(text)
    if (parsed._tag === "Fault") return yield* fail({ _tag: "Syntax", problem: parsed.problem, file, ...placeOf(text, parsed.offset) })
    return { json: withoutSchema(parsed.json), files: [path], locate: locator(text, parsed.tree) }
  }

  const timeLimit = options.timeLimit ?? "10 seconds"
  const outcome = yield* evaluate(path, { timeLimit, output: options.output ?? process.stderr, onLoad: (loaded) => void files.add(loaded) })
  if (outcome._tag !== "Evaluated") return yield* fail(reasonOf(outcome, files, timeLimit))
  return { json: JSON.parse(outcome.json), files: [...files], locate: () => undefined }
})
