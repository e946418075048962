/**
 * The ledger's file under test: stores, processes and disks that are gone after each test. Nothing here sleeps and hopes.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync } from "node:fs"
import { dirname } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Worker } from "node:worker_threads"
import { assert } from "@effect/vitest"
import { afterAll, afterEach } from "vitest"
import { type Account, type Drawn, LedgerStoreDown, type Want } from "../../../src/LedgerStore.ts"
import { accounts, makeFolder, makeStore, type Store, until } from "./support.ts"

export const folder = makeFolder()
afterAll(folder.remove)

const stops: Array<() => unknown> = []
afterEach(async () => {
  while (stops.length > 0) await stops.pop()!()
})

/** A store that is closed after the test at the latest. */
export const storeAt = async (file: string, options: { commitMillis?: number; stopMillis?: number } = {}): Promise<Store> => {
  const store = await makeStore({ file, commitMillis: 1, ...options })
  stops.push(store.close)
  return store
}
export const openAt = async (file: string, options: { commitMillis?: number; stopMillis?: number } = {}): Promise<Store> => {
  const store = await storeAt(file, options)
  await store.open()
  return store
}

// Node tells of every thread that starts: how a test comes by the one that it kills.
export const threads: Array<Worker> = []
const onWorker = (worker: Worker) => void threads.push(worker)
process.on("worker", onWorker)
afterAll(() => void process.off("worker", onWorker))
export const lastThread = () => threads.at(-1)!

export const [first, second, third] = accounts as [Account, Account, Account]
export const want = (account: Account, nanoDollars: number, limitNanoDollars = 9e15): Want => ({ account, nanoDollars, limitNanoDollars })
export const granted = (drawn: ReadonlyArray<Drawn>) => drawn.map(({ grantedNanoDollars }) => grantedNanoDollars)

/** Why something failed that had to. */
export const whyOf = async (attempt: Promise<unknown>): Promise<string> => {
  const error = await attempt.then(
    () => undefined,
    (error: unknown) => error
  )
  assert.instanceOf(error, LedgerStoreDown)
  return error.why
}
export const refusal = async (file: string): Promise<string> => whyOf((await storeAt(file)).open())

/** A process of its own with what it says, line by line. */
export const child = (...args: ReadonlyArray<string>) => {
  const script = fileURLToPath(new URL("child.ts", import.meta.url))
  const running: ChildProcess = spawn(process.execPath, [script, ...args], { stdio: ["ignore", "pipe", "inherit"] })
  const lines: Array<string> = []
  createInterface(running.stdout!).on("line", (line) => lines.push(line))
  // Its output is complete when all is closed.
  const ended = once(running, "close")
  const kill = async () => {
    running.kill("SIGKILL")
    await ended
  }
  stops.push(kill)
  return { lines, kill, says: (count: number) => until(() => lines.length >= count, `line ${count} of ${args.join(" ")}`) }
}

export const reportOf = (account: Account, dollars: string) =>
  `ledger    the last run ended without a stop: ${dollars} of budget \`${account.budget}\` (${account.scope}, ${account.window}) was booked and not settled, and counts as spent`

/** A disk of so many KiB, or undefined where this process may not have one. */
export const disk = (kib: number): { readonly path: string; readonly remount: (options: string) => void } | undefined => {
  const path = dirname(folder.file())
  mkdirSync(path)
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${kib}k`, "turnout-ledger", path], { stdio: "ignore" })
  } catch {
    return undefined
  }
  stops.push(() => execFileSync("umount", [path]))
  return { path, remount: (options) => void execFileSync("mount", ["-o", `remount,${options}`, path]) }
}
/** Whether this process may have a disk of its own. */
export const canMount = disk(64) !== undefined
if (canMount) await stops.pop()!()
