/**
 * The owner's side of the ledger's file, on the request's thread: gathers what is posted, sends it to the thread in `ledgerWorker.ts`, one write at a time, and
 * keeps it until it is written.
 *
 * A write that is on its way never changes: whatever happens, a full disk or a thread that dies, the same write with the same number is
 * sent again until it is answered, and the database knows whether it has been applied. Those who wait for its draws do not wait for that: they fail at
 * once, and what a draw has booked for nobody is given back with the next write. So every posting and every draw is applied exactly once, in order.
 */
import { randomUUID } from "node:crypto"
import { resolve as absolute } from "node:path"
import { Worker } from "node:worker_threads"
import { type Account, LedgerStoreDown, type Opened, type Posting, type Want } from "../../src/LedgerStore.ts"
import { dollars } from "../../src/Text.ts"
import type { Answers, Ask, Told, Unclean, WorkerInput, Write } from "./Messages.ts"
import { type Bundle, make as makeOutbox, type PendingDraw, type Waiter } from "./Outbox.ts"

export interface WriterOptions {
  readonly file: string
  readonly commitMillis: number
  readonly stopMillis: number
  readonly tell: (message: string) => void
}

export interface Writer {
  /** Opens the file; `now` is Unix time in milliseconds. Again it gives what it gave, unless it failed. */
  readonly open: (now: number) => Promise<ReadonlyArray<Opened>>
  /** Sends a draw and gives the way to forget it. */
  readonly draw: (wants: ReadonlyArray<Want>, waiter: Waiter) => () => void
  readonly post: (posting: Posting) => void
  /** Writes what is left and closes the file, within the time that it has. */
  readonly stop: () => Promise<void>
}

const firstBackOffMillis = 20
const maxBackOffMillis = 1_000
/** How long a thread that is told to end is waited for. */
const graceMillis = 500
const dayMillis = 86_400_000

const sayUnclean = (tell: (message: string) => void, { greatest, others, othersNanoDollars }: Unclean): void => {
  for (const { budget, nanoDollars, scope, window } of greatest) {
    tell(
      `ledger    the last run ended without a stop: ${dollars(nanoDollars)} of budget \`${budget}\` (${scope}, ${window}) was booked and not settled, and counts as spent`
    )
  }
  if (others > 0) tell(`ledger    and so do ${dollars(othersNanoDollars)} of ${others} more account${others === 1 ? "" : "s"}`)
}

/** What a write that may be lost would have changed. */
const sayLost = (tell: (message: string) => void, why: string, bundles: ReadonlyArray<Bundle>): void => {
  let [settled, back, over] = [0, 0, 0]
  for (const { steps } of bundles) {
    for (const step of steps) {
      if (step._tag === "Draw") continue
      for (const { bookedNanoDollars, settledNanoDollars } of step.postings) {
        settled += settledNanoDollars
        if (bookedNanoDollars < 0) back -= bookedNanoDollars
        else over += bookedNanoDollars
      }
    }
  }
  const parts = [
    settled > 0 ? `${dollars(settled)} that is settled and stays booked` : "",
    back > 0 ? `${dollars(back)} that is not spent and stays booked` : "",
    over > 0 ? `${dollars(over)} that is spent and NOT BOOKED` : ""
  ].filter((part) => part !== "")
  tell(`ledger    STOPPED BEFORE EVERYTHING WAS WRITTEN (${why}): ${parts.length === 0 ? "nothing is lost" : parts.join(", ")}`)
}

const downFor = (error: unknown): LedgerStoreDown =>
  error instanceof LedgerStoreDown ? error : new LedgerStoreDown({ why: `the thread of the ledger cannot start: ${String(error)}` })

/** A timer that keeps nobody alive. */
const later = (action: () => void, millis: number): NodeJS.Timeout => setTimeout(action, millis).unref()

export const make = ({ commitMillis, file, stopMillis, tell }: WriterOptions): Writer => {
  const outbox = makeOutbox()
  const run = randomUUID()
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js"
  let input: WorkerInput | undefined
  let opening: Promise<ReadonlyArray<Opened>> | undefined
  let isOpen = false
  let isStopped = false
  /** Whether nobody waits any more for the stop. */
  let isOver = false
  /** The thread that owns the file. */
  let worker: Worker | undefined
  let flying: (Bundle & { readonly write: Write }) | undefined
  let lastNumber = 0
  let trouble: LedgerStoreDown | undefined
  let backOffMillis = firstBackOffMillis
  let commitTimer: NodeJS.Timeout | undefined
  let retryTimer: NodeJS.Timeout | undefined
  /** Whether what is in the outbox waits for nothing but its turn. */
  let isDue = false
  let onIdle: (() => void) | undefined
  let onClosed: (() => void) | undefined

  const ask = (message: Ask): void => worker?.postMessage(message)
  const pump = (): void => {
    if (worker === undefined || flying !== undefined || trouble !== undefined) return
    if (outbox.isEmpty()) {
      isDue = false
      return onIdle?.()
    }
    if (!isDue) return
    isDue = false
    clearTimeout(commitTimer)
    commitTimer = undefined
    const bundle = outbox.take()
    flying = { ...bundle, write: { _tag: "Write", number: ++lastNumber, steps: bundle.steps } }
    ask(flying.write)
  }
  const onCommit = (): void => {
    commitTimer = undefined
    isDue = true
    pump()
  }
  const commitSoon = (): void => {
    if (commitTimer === undefined && !isDue) commitTimer = later(onCommit, commitMillis)
  }

  const fail = (draws: ReadonlyArray<PendingDraw>, error: LedgerStoreDown): void => {
    for (const draw of draws) {
      draw.waiter?.fail(error)
      draw.waiter = undefined
    }
  }
  const failing = (why: string): void => {
    if (trouble === undefined && !isStopped)
      tell(
        `ledger    CANNOT WRITE: ${why}; nothing is lost while the gateway runs, and calls that need more of a budget are refused until it can`
      )
    trouble = new LedgerStoreDown({ why })
    if (flying !== undefined) fail(flying.draws, trouble)
    fail(outbox.takeDraws(), trouble)
    retryTimer ??= later(retry, backOffMillis)
    backOffMillis = Math.min(backOffMillis * 2, maxBackOffMillis)
  }
  const recovered = (): void => {
    if (trouble === undefined) return
    trouble = undefined
    backOffMillis = firstBackOffMillis
    isDue = true
    tell(`ledger    writes to \`${file}\` again`)
  }
  const retry = (): void => {
    retryTimer = undefined
    if (worker !== undefined) return goOn()
    launch().then(goOn, (error: unknown) => {
      if (!isOver) failing(downFor(error).why)
    })
  }
  const goOn = (): void => {
    if (flying !== undefined) return ask(flying.write)
    recovered()
    pump()
  }

  const written = (number: number, answers: Answers): void => {
    if (flying?.write.number !== number) return
    const { draws } = flying
    flying = undefined
    recovered()
    // Ahead of the draws that wait, who may need it.
    for (const [at, { waiter, wants }] of draws.entries()) {
      if (waiter === undefined) for (const [i, { account }] of wants.entries()) giveBack(account, answers[at]![i]!.grantedNanoDollars)
    }
    for (const [at, { waiter }] of draws.entries()) waiter?.answer(answers[at]!)
    pump()
  }
  const giveBack = (account: Account, nanoDollars: number): void => {
    if (nanoDollars === 0) return
    outbox.postFirst({ account, settledNanoDollars: 0, bookedNanoDollars: -nanoDollars })
    commitSoon()
  }

  /** Starts the thread, which opens the file. */
  const launch = (): Promise<Extract<Told, { readonly _tag: "Opened" }>> =>
    new Promise((resolve, reject) => {
      const started = new Worker(new URL(`../ledgerWorker.${extension}`, import.meta.url), {
        workerData: input,
        env: {},
        // SQLite is experimental in older versions of Node, which people who start a gateway need not read.
        execArgv: ["--disable-warning=ExperimentalWarning"]
      })
      let why = "the thread of the ledger has ended"
      started.on("message", (told: Told) => {
        switch (told._tag) {
          case "Opened":
            if (isOver) return void started.terminate()
            worker = started
            return resolve(told)
          case "Refused":
            why = told.why
            return void started.terminate()
          case "Written":
            return written(told.number, told.answers)
          case "Failed":
            return told.number === flying?.write.number ? failing(told.why) : undefined
          case "Closed":
            worker = undefined
        }
      })
      started.on("error", (error) => void (why = `the thread of the ledger has failed: ${String(error)}`))
      // Only now is the file free for another thread.
      started.on("exit", () => {
        reject(new LedgerStoreDown({ why }))
        if (isStopped) onClosed?.()
        if (worker !== started) return
        worker = undefined
        failing(why)
      })
    })

  const connect = async (now: number): Promise<ReadonlyArray<Opened>> => {
    input = { file: absolute(file), name: file, run, since: new Date(now - dayMillis).toISOString().slice(0, 10) }
    const { accounts, unclean } = await launch()
    isOpen = true
    sayUnclean(tell, unclean)
    pump()
    return accounts
  }

  const stop = async (): Promise<void> => {
    isStopped = true
    if (opening === undefined) return
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<"late">((resolve) => (timer = setTimeout(resolve, stopMillis, "late")))
    const close = async (): Promise<void> => {
      await opening?.catch(() => undefined)
      if (!isOpen) return
      await new Promise<void>((resolve) => {
        onIdle = resolve
        isDue = true
        pump()
      })
      await new Promise<void>((resolve) => {
        onClosed = resolve
        ask({ _tag: "Close" })
      })
    }
    const outcome = await Promise.race([close(), late])
    clearTimeout(timer)
    clearTimeout(commitTimer)
    clearTimeout(retryTimer)
    isOver = true
    if (outcome !== "late") return
    const left = outbox.take()
    const gone = new LedgerStoreDown({ why: "the ledger has stopped" })
    for (const bundle of flying === undefined ? [left] : [flying, left]) fail(bundle.draws, gone)
    sayLost(tell, trouble?.why ?? `\`${file}\` did not answer for ${stopMillis / 1_000} s`, flying === undefined ? [left] : [flying, left])
    const owner = worker
    worker = undefined
    // A thread that hangs in the kernel ends when it can.
    await Promise.race([owner?.terminate(), new Promise((resolve) => (timer = setTimeout(resolve, graceMillis)))])
    clearTimeout(timer)
  }

  return {
    open: (now) => {
      if (isStopped) return Promise.reject(new LedgerStoreDown({ why: "the ledger has stopped" }))
      opening ??= connect(now).catch((error: unknown) => {
        opening = undefined
        throw downFor(error)
      })
      return opening
    },
    draw: (wants, waiter) => {
      const refusal = trouble ?? (isStopped || !isOpen ? new LedgerStoreDown({ why: "the ledger is not open" }) : undefined)
      if (refusal !== undefined) {
        waiter.fail(refusal)
        return () => undefined
      }
      const draw: PendingDraw = { wants, waiter }
      outbox.draw(draw)
      isDue = true
      pump()
      return () => void (draw.waiter = undefined)
    },
    post: (posting) => {
      if (Number.isSafeInteger(posting.settledNanoDollars) && Number.isSafeInteger(posting.bookedNanoDollars) && !isStopped) {
        outbox.post(posting)
        return commitSoon()
      }
      tell(`ledger    A POSTING IS LOST, ${isStopped ? "it came after the stop" : "its amounts are not whole"}: ${JSON.stringify(posting)}`)
    },
    stop
  }
}
