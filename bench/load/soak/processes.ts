/**
 * The processes of a soak: started, asked and ended here, and none outlives this one: each ends when the channel to its owner does, and all are killed when it exits.
 *
 * Each is the leader of a group of its own, so that Ctrl-C reaches the owner alone.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readlinkSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"

const children = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL")
})

/** `promise`, or an error where it takes too long. */
export const within = async <A>(millis: number, what: string, promise: Promise<A>): Promise<A> => {
  const timer = new AbortController()
  const late = sleep(millis, undefined, { signal: timer.signal }).then((): never => {
    throw new Error(`${what} took more than ${millis / 1_000} s`)
  })
  late.catch(() => {})
  try {
    return await Promise.race([promise, late])
  } finally {
    timer.abort()
  }
}

export interface Process {
  readonly name: string
  readonly pid: number
  readonly child: ChildProcess
  /** The last of what it has said on standard error. */
  readonly words: () => string
  /** The first message that it sends, or the next. */
  readonly next: <A>(millis: number) => Promise<A>
  /** Sends a message and gives what is said to it. */
  readonly ask: <A>(message: string | object, millis: number) => Promise<A>
  /** Its exit status, or the signal that has ended it; undefined while it runs. */
  readonly ended: () => number | string | undefined
  readonly kill: () => void
}

const keptWords = 8_000

/** Starts a Node process; `stdout` is a file descriptor. */
export const launch = (
  name: string,
  command: ReadonlyArray<string>,
  stdout: number | "ignore",
  secrets: Readonly<Record<string, string>> = {}
): Process => {
  const child = spawn(process.execPath, command, {
    stdio: ["ignore", stdout, "pipe", "ipc"],
    detached: true,
    env: { ...process.env, NODE_ENV: "production", ...secrets }
  })
  children.add(child)
  let words = ""
  child.stderr?.on("data", (part: Buffer) => (words = (words + part.toString()).slice(-keptWords)))
  const gone = once(child, "close").then((): never => {
    children.delete(child)
    throw new Error(`${name} ended by itself (${child.signalCode ?? `status ${child.exitCode}`}):\n${words}`)
  })
  gone.catch(() => {})
  const next = async <A>(millis: number): Promise<A> => {
    const message = once(child, "message") as Promise<[A]>
    return (await within(millis, `an answer of ${name}`, Promise.race([message, gone])))[0]
  }
  return {
    name,
    pid: child.pid!,
    child,
    words: () => words,
    next,
    ask: async (message, millis) => {
      const answer = next<never>(millis)
      child.send(message)
      return answer
    },
    ended: () => child.signalCode ?? child.exitCode ?? undefined,
    kill: () => void child.kill("SIGKILL")
  }
}

/** How many sockets a process has open; undefined where the system does not tell. */
export const socketsOf = (pid: number): number | undefined => {
  try {
    let sockets = 0
    for (const file of readdirSync(`/proc/${pid}/fd`)) {
      try {
        if (readlinkSync(`/proc/${pid}/fd/${file}`).startsWith("socket:")) sockets++
      } catch {
        // It was closed between the two.
      }
    }
    return sockets
  } catch {
    return undefined
  }
}
