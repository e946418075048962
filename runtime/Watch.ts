/**
 * Tells when any of a set of files has changed. Directories are watched, because editors replace a file rather than write into it.
 */
import { type FSWatcher, watch } from "node:fs"
import { basename, dirname } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Several events belong to one save. */
const settleMillis = 80

export interface Watcher {
  /** Watches these files from now on, and no others. */
  readonly set: (files: ReadonlyArray<string>) => void
}

/** Calls `changed` once after each burst of changes. */
export const make = (changed: () => void): Effect.Effect<Watcher, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const watchers = new Map<string, FSWatcher>()
      let names = new Map<string, Set<string>>()
      let timer: NodeJS.Timeout | undefined
      return {
        set: (files: ReadonlyArray<string>) => {
          names = new Map()
          for (const file of files) {
            const directory = dirname(file)
            names.set(directory, (names.get(directory) ?? new Set()).add(basename(file)))
          }
          for (const [directory, watcher] of watchers) {
            if (names.has(directory)) continue
            watcher.close()
            watchers.delete(directory)
          }
          for (const directory of names.keys()) {
            if (watchers.has(directory)) continue
            const watcher = watch(directory, (_, name) => {
              if (name !== null && names.get(directory)?.has(name) !== true) return
              clearTimeout(timer)
              timer = setTimeout(changed, settleMillis)
            })
            // A directory that disappears takes its policy with it; what serves goes on serving.
            watcher.on("error", () => watcher.close())
            watchers.set(directory, watcher)
          }
        },
        close: () => {
          clearTimeout(timer)
          for (const watcher of watchers.values()) watcher.close()
        }
      }
    }),
    (watcher) => Effect.sync(watcher.close)
  )
