/**
 * What a soak puts into the gateway's process, by `--import`: on request it tells what the process uses, and it ends the process when its owner has gone. The gateway itself
 * does not know of it.
 *
 * `"probe"` tells what is cheap to tell; `"probe after collection"` first has all garbage collected (`--expose-gc`), so that the heap it tells is what is held.
 */
import { monitorEventLoopDelay } from "node:perf_hooks"
import { isMainThread } from "node:worker_threads"

export interface Probed {
  readonly rssBytes: number
  readonly heapBytes: number
  /** Buffers and the like, outside the heap. */
  readonly externalBytes: number
  /** CPU time since the start of the process, all threads. */
  readonly cpuMicros: number
  /** The 99th percentile of what the event loop was late by since the last asking. */
  readonly lateMillis: number
  /** What keeps the event loop alive, by kind. */
  readonly resources: Readonly<Record<string, number>>
}

if (isMainThread && process.send !== undefined) {
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  process.on("message", (message) => {
    if (message !== "probe" && message !== "probe after collection") return
    const lateMillis = Math.max(0, delay.percentile(99) / 1e6 - 10)
    if (message === "probe after collection") globalThis.gc?.()
    const { arrayBuffers, external, heapUsed, rss } = process.memoryUsage()
    const { system, user } = process.cpuUsage()
    const resources: Record<string, number> = {}
    for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
    process.send?.({
      rssBytes: rss,
      heapBytes: heapUsed,
      externalBytes: external + arrayBuffers,
      cpuMicros: user + system,
      lateMillis,
      resources
    } satisfies Probed)
    delay.reset()
  })
  process.on("disconnect", () => process.exit())
  process.channel?.unref()
}
