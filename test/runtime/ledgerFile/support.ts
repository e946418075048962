/**
 * What the tests of the ledger's file share: a store without Effect around it, a plain model of what it must hold, and a look into the file.
 */
import { randomUUID } from "node:crypto"
import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { layer } from "../../../runtime/LedgerFile.ts"
import { type Account, type Drawn, LedgerStore, type Opened, type Posting, type Want } from "../../../src/LedgerStore.ts"

/** A new folder for temporary files and the way to remove it: in memory where that is to be had, because a busy disk takes its time for every commit. */
export const makeFolder = () => {
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "turnout-ledger-"))
  return { root, file: () => join(root, randomUUID(), "ledger.sqlite"), remove: () => rmSync(root, { recursive: true, force: true }) }
}

/** Looks until there is something to see; fails when there is nothing within the bound. */
export const until = async (look: () => boolean, what: string, millis = 8_000): Promise<void> => {
  const deadline = performance.now() + millis
  while (!look()) {
    if (performance.now() > deadline) throw new Error(`waited ${millis} ms for ${what}`)
    await sleep(2)
  }
}

/** A store over promises. */
export interface Store {
  readonly open: () => Promise<ReadonlyArray<Opened>>
  readonly draw: (wants: ReadonlyArray<Want>) => Promise<ReadonlyArray<Drawn>>
  readonly effect: LedgerStore["Service"]
  readonly post: (posting: Posting) => void
  readonly told: ReadonlyArray<string>
  readonly close: () => Promise<void>
}

export const makeStore = async (options: { file: string; commitMillis?: number; stopMillis?: number }): Promise<Store> => {
  const told: Array<string> = []
  const scope = Effect.runSync(Scope.make())
  const context = await Effect.runPromise(Layer.buildWithScope(layer({ ...options, tell: (message) => told.push(message) }), scope))
  const store = Context.get(context, LedgerStore)
  return {
    open: () => Effect.runPromise(store.open),
    draw: (wants) => Effect.runPromise(store.draw(wants)),
    effect: store,
    post: store.post,
    told,
    close: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** An account in the model. */
export interface Held {
  booked: number
  settled: number
}

export const nameOf = ({ budget, scope, window }: Account): string => `${window}/${budget}/${scope}`

/** What the store must hold: two integers for each account, and nothing clever. */
export class Model {
  readonly held = new Map<string, Held>()

  of(account: Account): Held {
    const name = nameOf(account)
    let held = this.held.get(name)
    if (held === undefined) this.held.set(name, (held = { booked: 0, settled: 0 }))
    return held
  }

  draw(wants: ReadonlyArray<Want>): ReadonlyArray<Drawn> {
    return wants.map(({ account, limitNanoDollars, nanoDollars }) => {
      const held = this.of(account)
      const grantedNanoDollars = Math.max(0, Math.min(nanoDollars, limitNanoDollars - held.booked))
      held.booked += grantedNanoDollars
      return { grantedNanoDollars, bookedNanoDollars: held.booked }
    })
  }

  post({ account, bookedNanoDollars, settledNanoDollars }: Posting): void {
    const held = this.of(account)
    held.booked += bookedNanoDollars
    held.settled += settledNanoDollars
  }

  /** Every account that anything is booked on. */
  contents(): Record<string, Held> {
    return Object.fromEntries([...this.held].filter(([, { booked }]) => booked !== 0).map(([name, held]) => [name, { ...held }]))
  }
}

/** What the file holds while nobody owns it. */
export const contentsOf = (file: string): Record<string, Held> => {
  const db = new DatabaseSync(file)
  try {
    const rows = db
      .prepare(`SELECT "window" || '/' || budget || '/' || scope AS name, booked, settled FROM account WHERE booked <> 0`)
      .all()
    return Object.fromEntries(rows.map(({ booked, name, settled }) => [name, { booked, settled }])) as Record<string, Held>
  } finally {
    db.close()
  }
}

export const accounts: ReadonlyArray<Account> = [
  { budget: "engineering", scope: "class engineering", window: "2026-11" },
  { budget: "engineering", scope: "class research", window: "2026-11" },
  { budget: "daily", scope: "key `böse` 'eins'", window: "2026-11-22" }
]

/** A store's life as numbers from 0 to 1 say it: what is drawn, settled, given back and overrun, always as a ledger might. */
export type Act = { readonly _tag: "Draw"; readonly wants: ReadonlyArray<Want> } | { readonly _tag: "Post"; readonly posting: Posting }

export const act = (model: Model, at: number, kind: number, size: number, other: number): Act => {
  const account = accounts[Math.floor(at * accounts.length)]!
  const { booked, settled } = model.of(account)
  // A copy, because callers may or may not keep an account's identity.
  const named = size < 0.5 ? account : { ...account }
  if (kind < 0.4) {
    const limitNanoDollars = Math.floor(other * 2e12)
    const want = { account: named, nanoDollars: Math.floor(size * 3e11), limitNanoDollars }
    if (size < 0.7) return { _tag: "Draw", wants: [want] }
    const second = accounts[Math.floor(other * accounts.length)]!
    return { _tag: "Draw", wants: [want, { ...want, account: second, limitNanoDollars: limitNanoDollars * 2 }, want] }
  }
  const open = booked - settled
  const spent = Math.floor(open * size)
  const overrun = kind > 0.9 ? Math.floor(other * 1e9) : 0
  const back = kind > 0.7 && overrun === 0 ? Math.floor((open - spent) * other) : 0
  return { _tag: "Post", posting: { account: named, settledNanoDollars: spent + overrun, bookedNanoDollars: overrun - back } }
}

/** Random numbers from a seed (mulberry32), the same in every process. */
export const randomOf = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

/** The life that both a child that will be killed and the judge of its file know. Each act is made against the model as it then stands. */
export const lifeOf = (seed: number, model: Model) => {
  const random = randomOf(seed)
  return (): Act => act(model, random(), random(), random(), random())
}
