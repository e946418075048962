/**
 * Tells when any of a set of files has changed. Directories are watched, because editors replace a file rather than write into it; and every file is
 * looked at once a second, because a directory that is deleted and made again (a change of branches does that) takes its watcher with it.
 */
import { type FSWatcher, type Stats, unwatchFile, watch, watchFile } from "node:fs"
import { basename, dirname } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Several events belong to one save. */
const settleMillis = 80
const lookEveryMillis = 1_000

export interface Watcher {
  /** Watches these files from now on, and no others. */
  readonly set: (files: ReadonlyArray<string>) => void
}

/** Calls `changed` once after each burst of changes. */
export const make = (changed: () => void): Effect.Effect<Watcher, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const watchers = new Map<string, FSWatcher>()
      const looked = new Set<string>()
      let names = new Map<string, Set<string>>()
      let timer: NodeJS.Timeout | undefined
      const soon = (): void => {
        clearTimeout(timer)
        timer = setTimeout(changed, settleMillis)
      }
      const look = (now: Stats, before: Stats): void => {
        if (now.mtimeMs !== before.mtimeMs || now.ino !== before.ino) soon()
      }
      const watchDirectory = (directory: string): void => {
        try {
          const watcher = watch(directory, (_, name) => {
            if (name === null || names.get(directory)?.has(name) === true) soon()
          })
          watcher.on("error", () => {
            watcher.close()
            watchers.delete(directory)
          })
          watchers.set(directory, watcher)
        } catch {
          // It is not there at the moment, or watching is not to be had: looking once a second will do.
        }
      }
      return {
        set: (files: ReadonlyArray<string>) => {
          names = new Map()
          for (const file of files) {
            const directory = dirname(file)
            names.set(directory, (names.get(directory) ?? new Set()).add(basename(file)))
            if (looked.has(file)) continue
            looked.add(file)
            watchFile(file, { interval: lookEveryMillis }, look)
          }
          for (const file of looked) {
            if (files.includes(file)) continue
            unwatchFile(file, look)
            looked.delete(file)
          }
          for (const [directory, watcher] of watchers) {
            if (names.has(directory)) continue
            watcher.close()
            watchers.delete(directory)
          }
          for (const directory of names.keys()) if (!watchers.has(directory)) watchDirectory(directory)
        },
        close: () => {
          clearTimeout(timer)
          for (const watcher of watchers.values()) watcher.close()
          for (const file of looked) unwatchFile(file, look)
        }
      }
    }),
    (watcher) => Effect.sync(watcher.close)
  )
