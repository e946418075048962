/** Starts the fault-injecting upstream in a process of its own, asks it what it has received, and ends it. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import type { Count, Ports } from "./upstream.ts"

const entry = fileURLToPath(new URL("./upstream.ts", import.meta.url))

export interface FaultyUpstream {
  readonly ports: Ports
  /** Without a path: `${origin}/v1` is a base URL of OpenAI's and Anthropic's APIs, `${origin}/v1beta` of Gemini's. */
  readonly origin: string
  /** What has come for the scenario of this whole name. */
  readonly count: (name: string) => Promise<Count>
  readonly counts: () => Promise<Readonly<Record<string, Count>>>
  /** Forgets all counts. */
  readonly forget: () => Promise<void>
  readonly pid: number
  /** Ends the process, and with it every connection. */
  readonly stop: () => Promise<void>
}

/** Starts it; at any free port where none is given. */
export const startFaulty = async (port = 0): Promise<FaultyUpstream> => {
  const child = spawn(process.execPath, [entry, String(port)], { stdio: ["pipe", "pipe", "inherit"] })
  const exited = once(child, "exit")
  const first = new Promise<string>((resolve, reject) => {
    let said = ""
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      said += part
      if (said.includes("\n")) resolve(said)
    })
    void exited.then(([code]) => reject(new Error(`the upstream ended with ${String(code)} before it was ready`)))
  })
  const ports = JSON.parse(await first) as Ports
  const origin = `http://127.0.0.1:${ports.http}`
  const ask = async (path: string, method = "GET"): Promise<unknown> => (await fetch(`${origin}/counts${path}`, { method })).json()
  return {
    ports,
    origin,
    count: async (name) => (await ask(`?of=${encodeURIComponent(name)}`)) as Count,
    counts: async () => (await ask("")) as Readonly<Record<string, Count>>,
    forget: async () => void (await ask("", "DELETE")),
    pid: child.pid!,
    stop: async () => {
      child.kill("SIGKILL")
      if (child.exitCode === null && child.signalCode === null) await exited
    }
  }
}
