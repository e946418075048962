/**
 * The meter that `run.ts` puts into each process that it starts, by `--import`: on request it reports the CPU time of the whole process, all threads
 * included, and it ends the process when its owner has gone. The process itself need not know of it.
 */
import { isMainThread } from "node:worker_threads"

/** CPU time since the start of the process, in microseconds. */
export interface Reading {
  readonly cpuMicros: number
}

if (isMainThread && process.send !== undefined) {
  process.on("message", (message) => {
    if (message !== "read meter") return
    const { system, user } = process.cpuUsage()
    process.send?.({ cpuMicros: user + system } satisfies Reading)
  })
  process.on("disconnect", () => process.exit())
  process.channel?.unref()
}
