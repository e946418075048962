/** Where the cases of a policy are: `name.cases.ts` and `name.*.cases.ts` beside `name.ts`, in any format that a policy may have. */
import { readdirSync } from "node:fs"
import { basename, dirname, extname, join, relative, resolve } from "node:path"

const extensions = new Set([".ts", ".mts", ".js", ".mjs", ".json", ".yaml", ".yml"])

export interface CasesFile {
  readonly path: string
  /** As people are told of it. */
  readonly name: string
}

/** A path as it is named from here, or in full where it lies elsewhere. */
const shownName = (path: string): string => {
  const from = relative(process.cwd(), path)
  return from.startsWith("..") ? path : from
}

/** The files of cases beside the policy `file`, by name, and the one that its author would write first. */
export const besides = (file: string): { readonly files: ReadonlyArray<CasesFile>; readonly example: string } => {
  const path = resolve(file)
  const folder = dirname(path)
  const stem = basename(path, extname(path))
  const files = readdirSync(folder)
    .filter((name) => {
      const extension = extname(name)
      const rest = basename(name, extension)
      return extensions.has(extension) && (rest === `${stem}.cases` || (rest.startsWith(`${stem}.`) && rest.endsWith(".cases")))
    })
    .sort()
    .map((name) => ({ path: join(folder, name), name: shownName(join(folder, name)) }))
  return { files, example: shownName(join(folder, `${stem}.cases.ts`)) }
}
