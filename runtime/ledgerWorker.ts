/**
 * The ledger's own thread: owns the database that `ledgerFile/Database.ts` describes and does one write after the other. Ends when it is asked to close.
 */
import { parentPort, workerData } from "node:worker_threads"
import { type Database, explain, open } from "./ledgerFile/Database.ts"
import type { Ask, Told, WorkerInput } from "./ledgerFile/Messages.ts"

const input = workerData as WorkerInput
const tell = (message: Told): void => parentPort!.postMessage(message)

const serve = (database: Database): void => {
  parentPort!.on("message", (ask: Ask) => {
    if (ask._tag === "Close") {
      // What was answered is in the log, so an error here loses nothing.
      try {
        database.close()
      } catch {}
      tell({ _tag: "Closed" })
      return parentPort!.close()
    }
    try {
      tell({ _tag: "Written", number: ask.number, answers: database.write(ask.number, ask.steps) })
    } catch (error) {
      tell({ _tag: "Failed", number: ask.number, why: explain(input.name, error).message })
    }
  })
  tell({ _tag: "Opened", accounts: database.accounts, unclean: database.unclean })
}

/** Tries for a while: a gateway that was killed is gone in a moment, and of two that start at once either may have been in the other's way. */
const attempt = (triesLeft: number): void => {
  try {
    serve(open(input))
  } catch (error) {
    const { busy, message } = explain(input.name, error)
    if (busy && triesLeft > 0) setTimeout(attempt, 40 + Math.random() * 60, triesLeft - 1)
    else tell({ _tag: "Refused", why: message })
  }
}

attempt(6)
