/** A store and a clock that do what they are told, when they are told. */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Account, Drawn, LedgerStore, Posting, Want } from "../../src/LedgerStore.ts"
import { LedgerStoreDown } from "../../src/LedgerStore.ts"

/** `at once` answers by a value, `in a fibre` by an effect that does not wait, `when told` when it is told. */
export type Mode = "at once" | "in a fibre" | "when told"

interface Row {
  readonly account: Account
  booked: number
  settled: number
  /** Booked by draws whose answer was lost. */
  leaked: number
}

interface Pending {
  readonly wants: ReadonlyArray<Want>
  readonly drawn: ReadonlyArray<Drawn>
  readonly resume: (effect: Effect.Effect<ReadonlyArray<Drawn>, LedgerStoreDown>) => void
}

const nameOf = ({ budget, scope, window }: Account): string => `${budget} ${scope} ${window}`
const whole = (value: number): boolean => Number.isSafeInteger(value)

export class TestStore {
  readonly rows = new Map<string, Row>()
  readonly mode: Mode
  pending: Pending | undefined = undefined
  /** While true, draws that are answered at once fail. */
  down = false
  draws = 0
  /** What has been done against the contract. */
  readonly faults: Array<string> = []

  constructor(mode: Mode) {
    this.mode = mode
  }

  row(account: Account): Row {
    const name = nameOf(account)
    let row = this.rows.get(name)
    if (row === undefined) this.rows.set(name, (row = { account, booked: 0, settled: 0, leaked: 0 }))
    return row
  }

  #book(wants: ReadonlyArray<Want>): ReadonlyArray<Drawn> {
    if (this.pending !== undefined) this.faults.push("two draws at a time")
    if (wants.length === 0) this.faults.push("an empty draw")
    if (new Set(wants.map(({ account }) => nameOf(account))).size !== wants.length) this.faults.push("an account drawn twice at a time")
    return wants.map(({ account, limitNanoDollars, nanoDollars }) => {
      if (!whole(nanoDollars) || nanoDollars < 0) this.faults.push(`a want of ${nanoDollars}`)
      const row = this.row(account)
      const grantedNanoDollars = Math.max(0, Math.min(nanoDollars, limitNanoDollars - row.booked))
      row.booked += grantedNanoDollars
      return { grantedNanoDollars, bookedNanoDollars: row.booked }
    })
  }

  /** The service of one process, which ends with `live`. */
  service(live: () => boolean): LedgerStore["Service"] {
    const down = Effect.suspend(() => Effect.fail(new LedgerStoreDown({ why: "told so" })))
    return {
      open: Effect.sync(() => [...this.rows.values()].map(({ account, booked }) => ({ account, bookedNanoDollars: booked }))),
      draw: (wants) => {
        // A ledger that asks for ever would hang the test.
        if (++this.draws > 10_000) throw new Error("there is no end of draws")
        if (this.mode === "at once")
          return this.down ? Exit.fail(new LedgerStoreDown({ why: "told so" })) : Effect.succeed(this.#book(wants))
        if (this.mode === "in a fibre") return Effect.suspend(() => (this.down ? down : Effect.succeed(this.#book(wants))))
        return Effect.callback((resume) => {
          const drawn = this.#book(wants)
          this.pending = { wants, drawn, resume }
        })
      },
      post: ({ account, bookedNanoDollars, settledNanoDollars }: Posting) => {
        if (!live()) return
        if (!whole(bookedNanoDollars) || !whole(settledNanoDollars) || settledNanoDollars < 0)
          this.faults.push(`a posting of ${bookedNanoDollars} and ${settledNanoDollars}`)
        if (bookedNanoDollars === 0 && settledNanoDollars === 0) this.faults.push("a posting of nothing")
        const row = this.row(account)
        row.booked += bookedNanoDollars
        row.settled += settledNanoDollars
      }
    }
  }

  #end(): Pending | undefined {
    const { pending } = this
    this.pending = undefined
    return pending
  }

  answer(): void {
    const pending = this.#end()
    pending?.resume(Effect.succeed(pending.drawn))
  }

  /** The draw under way fails: before it is booked, or after, which nobody will know. */
  fail(booked: boolean): void {
    const pending = this.#end()
    if (pending === undefined) return
    this.#undo(pending, booked)
    pending.resume(Effect.fail(new LedgerStoreDown({ why: "told so" })))
  }

  /** Nobody is there to hear the answer. */
  abandon(): void {
    const pending = this.#end()
    if (pending !== undefined) this.#undo(pending, true)
  }

  #undo({ drawn, wants }: Pending, booked: boolean): void {
    for (const [i, { account }] of wants.entries()) {
      const row = this.row(account)
      if (booked) row.leaked += drawn[i]!.grantedNanoDollars
      else row.booked -= drawn[i]!.grantedNanoDollars
    }
  }
}

/** A clock that stands still until it is advanced; what is due then runs at once, in order. */
export class ManualClock implements Clock.Clock {
  now = 0
  #timers: Array<{ readonly at: number; readonly run: () => void }> = []

  currentTimeMillisUnsafe = (): number => this.now
  currentTimeMillis = Effect.sync(this.currentTimeMillisUnsafe)
  currentTimeNanosUnsafe = (): bigint => BigInt(this.now) * 1_000_000n
  currentTimeNanos = Effect.sync(this.currentTimeNanosUnsafe)
  monotonicTimeNanosUnsafe = this.currentTimeNanosUnsafe
  monotonicTimeNanos = this.currentTimeNanos

  sleep = (duration: Duration.Duration): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const timer = { at: this.now + Duration.toMillis(duration), run: () => resume(Effect.void) }
      this.#timers.push(timer)
      return Effect.sync(() => void (this.#timers = this.#timers.filter((other) => other !== timer)))
    })

  advance(millis: number): void {
    const until = this.now + millis
    for (;;) {
      const due = this.#timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#timers = this.#timers.filter((other) => other !== due)
      this.now = due.at
      due.run()
    }
    this.now = until
  }

  get sleeping(): number {
    return this.#timers.length
  }
}
