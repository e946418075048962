/**
 * What `--under` names: an organisation's files, loaded like a policy and laid over one before it is judged, so that no team's file can leave them out.
 *
 * The result is one policy, whose layers a finding names by their place in it (`layers[0] "acme"`); from here it is known which file that is, and where in it. Nothing
 * is judged here: a layer is decoded and checked as the part of the policy that it has become. Runs when a policy is loaded.
 */
import { relative, resolve } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Path } from "../src/Finding.ts"
import { shown } from "../src/Finding.ts"
import { lay } from "../src/Layers.ts"
import { type Loaded, load, PolicyFileError } from "./PolicyFile.ts"

/** The file is not an organisation's. */
export class LayerRefused extends Schema.TaggedError<LayerRefused>()("LayerRefused", {
  file: Schema.String,
  /** What to watch for a mended version. */
  files: Schema.Array(Schema.String),
  why: Schema.String
}) {
  override get message() {
    return `\`${this.file}\` cannot be laid over a policy: ${this.why}`
  }
}

/** Where a part of a policy stands. */
export interface Spot {
  /** As messages name it; undefined for the policy's own. */
  readonly file?: string
  /** Undefined, as is `column`, for a file that is code. */
  readonly line?: number
  readonly column?: number
}

/** A policy as it came from its file, with what is laid over it. */
export interface Laid {
  readonly json: unknown
  /** Every file that it came from: what to watch. */
  readonly files: ReadonlyArray<string>
  readonly locate: (path: Path) => Spot | undefined
}

/** A file as messages name it: from here, unless it lies elsewhere. */
export const nameOf = (file: string): string => {
  const near = relative(process.cwd(), resolve(file))
  return near.startsWith("..") ? resolve(file) : near
}

interface Layer {
  readonly file: string
  readonly loaded: Loaded
}

const expected = "expected `export default organisation({ name, guards, budgets })`, or the same as JSON or YAML"

const isRecord = (json: unknown): json is Readonly<Record<string, unknown>> =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const loadLayer = (file: string): Effect.Effect<Layer, PolicyFileError | LayerRefused> => {
  const refuse = (files: ReadonlyArray<string>, why: string) => new LayerRefused({ file, files, why: `${why}; ${expected}` })
  return load(file).pipe(
    Effect.mapError((error) => {
      switch (error.reason._tag) {
        case "NotFound":
          return refuse(error.files, "there is no such file")
        case "NoDefaultExport":
          return refuse(error.files, "it has no default export")
        default:
          return error
      }
    }),
    Effect.flatMap((loaded) => {
      const { files, json } = loaded
      if (!isRecord(json)) return Effect.fail(refuse(files, `it holds ${shown(json)}`))
      const section = ["routes", "targets", "providers"].find((name) => Object.hasOwn(json, name))
      return section === undefined
        ? Effect.succeed({ file: nameOf(file), loaded })
        : Effect.fail(refuse(files, `it has \`${section}\`, so it is a policy and not an organisation's layer`))
    })
  )
}

/** Lays the organisations' files over a policy, the first one outermost. */
export const layOver = (policy: Loaded, files: ReadonlyArray<string>): Effect.Effect<Laid, PolicyFileError | LayerRefused> =>
  Effect.map(Effect.forEach(files, loadLayer, { concurrency: "unbounded" }), (layers) => {
    const json = layers.reduceRight((under: unknown, { loaded }) => lay(loaded.json, under), policy.json)
    if (layers.length === 0 || !isRecord(json)) return policy
    const all = json["layers"] as ReadonlyArray<unknown>
    const own = isRecord(policy.json) && Array.isArray(policy.json["layers"]) ? (policy.json["layers"] as ReadonlyArray<unknown>) : []
    return {
      json,
      files: [...new Set([...policy.files, ...layers.flatMap(({ loaded }) => loaded.files)])],
      locate: (path) => {
        const [section, index, ...rest] = path
        if (section !== "layers" || typeof index !== "number") return policy.locate(path)
        // Laying copies no layer, so each is still the very value that its file came to.
        const laid = layers.find(({ loaded }) => loaded.json === all[index])
        return laid === undefined
          ? policy.locate(["layers", own.indexOf(all[index]), ...rest])
          : { file: laid.file, ...laid.loaded.locate(rest) }
      }
    }
  })
