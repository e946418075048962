/**
 * The ledger itself: one queue of reservations that must wait, and one draw on the store at a time.
 *
 * A reservation that every account can cover, with nobody waiting for any of them, is taken on the spot. Any other joins the queue, and one draw asks the
 * store for what all of them need and for full slices beyond it. When the answer has been entered, the queue is gone through in order: a reservation is
 * taken on all its accounts at once, refused, or left to wait for the next draw; nobody passes an earlier one that waits for the same account.
 *
 * Refused is only what the contract's own formula refuses (amount > limit − settled − reserved), and only when the store has just said what is booked: an
 * account whose booked amount is old asks again, even for nothing. So a reservation without hope draws nothing, and a store may be shared by several.
 *
 * Everything changes in synchronous steps, and waiting fibres are resumed after a step, never within: what they then do finds the books balanced. An outcome
 * is decided once, by whoever comes first (the answer, the timer, the interruption), and a grant that cannot be delivered any more is released. A draw is
 * never interrupted, since nobody could tell whether it was booked; while none is answered, the slices serve whom they can, and the others wait in vain.
 *
 * Not chosen: a lock or a fibre for each account (three budgets are one decision); serving the queue when a settlement frees money (fibres resumed by the
 * hundred within one another's settlements, to spare a wait of milliseconds); one string as the key of an account (built three times a call).
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type { Binding, Refusal, Reservation, Unavailable } from "../Ledger.ts"
import type { Drawn, LedgerStore, LedgerStoreDown, Want } from "../LedgerStore.ts"
import { Held, type State } from "./account.ts"
import { Accounts } from "./accounts.ts"

type Answer = Exit.Exit<ReadonlyArray<Drawn>, LedgerStoreDown>
type Outcome = Reservation | Refusal | Unavailable

/** How long a reservation may wait for the store. */
const waitAtMost = "100 millis"

const unavailable = (why: string): Unavailable => ({ _tag: "Unavailable", why })
const late = unavailable("the store of the budgets has not answered within 100 ms")
const ended = unavailable("the gateway is stopping")

class Waiter {
  readonly bindings: ReadonlyArray<Binding>
  readonly states: ReadonlyArray<State>
  readonly nanoDollars: number
  outcome: Outcome | undefined = undefined
  resume: ((outcome: Effect.Effect<Outcome>) => void) | undefined = undefined
  timer: Fiber.Fiber<unknown> | undefined = undefined
  /** It was in the queue when the draw under way began. */
  drawnFor = false

  constructor(bindings: ReadonlyArray<Binding>, states: ReadonlyArray<State>, nanoDollars: number) {
    this.bindings = bindings
    this.states = states
    this.nanoDollars = nanoDollars
  }
}

export class Book {
  readonly accounts: Accounts
  readonly #store: LedgerStore["Service"]
  readonly #fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  #queue: Array<Waiter> = []
  /** Accounts to be topped up though nobody waits for them. */
  #low: Array<State> = []
  /** The accounts of the draw under way. */
  #wanted: Array<State> = []
  /** The draw under way, where it takes time. */
  #drawing: Fiber.Fiber<unknown, unknown> | undefined = undefined
  #busy = false
  #round = 0
  #pass = 0
  #ended = false

  constructor(store: LedgerStore["Service"], fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>) {
    this.accounts = new Accounts(store)
    this.#store = store
    this.#fork = fork
  }

  readonly reserve = (bindings: ReadonlyArray<Binding>, nanoDollars: number, time: number): Effect.Effect<Outcome> => {
    const { length } = bindings
    if (this.#ended && length !== 0) return Effect.succeed(ended)
    const states = new Array<State>(length)
    let covered = true
    for (let i = 0; i < length; i++) {
      const binding = bindings[i]!
      const state = this.accounts.stateOf(binding, time)
      states[i] = state
      if (state.waiting !== 0 || !state.known || nanoDollars > state.available || nanoDollars > state.remaining(binding.limitNanoDollars))
        covered = false
    }
    if (!covered) return this.#wait(new Waiter(bindings, states, nanoDollars))
    const held = this.#take(states, nanoDollars)
    if (this.#low.length !== 0) this.#pump()
    return Effect.succeed(held)
  }

  readonly settle = (reservation: Reservation, nanoDollars: number): void => {
    // INVARIANT: every reservation comes from `reserve`.
    const held = reservation as Held
    if (held.closed) return
    held.closed = true
    const { states } = held
    const rest = held.nanoDollars - nanoDollars
    for (let i = 0; i < states.length; i++) {
      const state = states[i]!
      state.reserved -= held.nanoDollars
      // What was not foreseen is taken from the slice as far as it goes, and the rest of it is booked beyond any limit.
      const covered = rest < 0 ? Math.max(rest, -state.available) : rest
      state.available += covered
      this.accounts.post(state, nanoDollars, covered - rest)
    }
  }

  readonly release = (reservation: Reservation): void => this.settle(reservation, 0)

  /** Turns everybody away and gives back what is not reserved; a draw under way is waited for, but not for long. */
  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    this.#ended = true
    this.#low = []
    const waiters = this.#queue
    this.#queue = []
    for (const waiter of waiters) this.#resolve(waiter, ended)
    this.#deliver(waiters)
    const drawing = this.#drawing
    return Effect.andThen(
      drawing === undefined ? Effect.void : Effect.timeoutOption(Fiber.await(drawing), waitAtMost),
      Effect.sync(() => {
        drawing?.interruptUnsafe()
        this.accounts.end()
      })
    )
  })

  /** INVARIANT: every state can cover it. */
  #take(states: ReadonlyArray<State>, nanoDollars: number): Held {
    for (let i = 0; i < states.length; i++) {
      const state = states[i]!
      state.take(nanoDollars)
      if (2 * state.available < state.slice && !state.asked && state.booked < state.limit && state.current) {
        state.asked = true
        this.#low.push(state)
      }
    }
    return new Held(nanoDollars, states)
  }

  #wait(waiter: Waiter): Effect.Effect<Outcome> {
    for (const state of waiter.states) state.waiting++
    this.#queue.push(waiter)
    this.#pump()
    if (waiter.outcome !== undefined) return Effect.succeed(waiter.outcome)
    return Effect.withFiber((fiber) =>
      Effect.callback<Outcome>((resume) => {
        if (waiter.outcome !== undefined) return resume(Effect.succeed(waiter.outcome))
        waiter.resume = resume
        // On the caller's clock, which may be a virtual one.
        waiter.timer = Effect.runForkWith(fiber.context)(
          Effect.andThen(
            Effect.sleep(waitAtMost),
            Effect.sync(() => {
              if (waiter.outcome !== undefined) return
              this.#leave(waiter, late)
              this.#deliver([waiter])
            })
          )
        )
        return Effect.sync(() => {
          const { outcome } = waiter
          waiter.resume = undefined
          if (outcome === undefined) this.#leave(waiter, ended)
          // Taken in the very step in which the caller was interrupted.
          else if (outcome._tag === "Reservation") this.release(outcome)
          waiter.timer?.interruptUnsafe()
        })
      })
    )
  }

  #leave(waiter: Waiter, outcome: Outcome): void {
    this.#queue.splice(this.#queue.indexOf(waiter), 1)
    this.#resolve(waiter, outcome)
    for (const state of waiter.states) this.accounts.trim(state)
  }

  #resolve(waiter: Waiter, outcome: Outcome): void {
    waiter.outcome = outcome
    for (const state of waiter.states) state.waiting--
  }

  #deliver(waiters: ReadonlyArray<Waiter>): void {
    for (const waiter of waiters) {
      const { outcome, resume, timer } = waiter
      if (resume === undefined) continue
      waiter.resume = undefined
      timer?.interruptUnsafe()
      resume(Effect.succeed(outcome!))
    }
  }

  /** Draws while there is something to draw and no draw under way. */
  #pump(): void {
    while (!this.#busy) {
      const wants = this.#collect()
      if (wants.length === 0) {
        if (this.#queue.length === 0) return
        // INVARIANT: nothing is short, so this resolves the whole queue.
        this.#serve(undefined)
        continue
      }
      this.#busy = true
      const drawing = this.#store.draw(wants)
      if (Exit.isExit(drawing)) this.#answered(drawing as Answer)
      else {
        const fiber = this.#fork(drawing)
        this.#drawing = fiber
        fiber.addObserver((exit) => {
          this.#answered(exit)
          this.#pump()
        })
      }
    }
  }

  /** What the reservations in the queue need, and what the accounts that have run low lack. */
  #collect(): Array<Want> {
    const round = ++this.#round
    const states: Array<State> = []
    const touch = (state: State, limit: number): void => {
      if (state.round !== round) {
        state.round = round
        state.need = 0
        state.largest = 0
        state.highest = limit
        state.short = false
        states.push(state)
      } else if (limit > state.highest) state.highest = limit
    }
    for (const waiter of this.#queue) {
      const { bindings, nanoDollars, states } = waiter
      waiter.drawnFor = true
      let hope = true
      for (let i = 0; i < states.length; i++) {
        const [state, limit] = [states[i]!, bindings[i]!.limitNanoDollars]
        touch(state, limit)
        if (!state.known) state.short = true
        if (nanoDollars > state.remaining(limit) - state.need) {
          hope = false
          // Only what the store says now can refuse it.
          state.short = true
        }
      }
      if (!hope) continue
      for (const state of states) {
        state.need += nanoDollars
        if (nanoDollars > state.largest) state.largest = nanoDollars
        if (state.need > state.available) state.short = true
      }
    }
    for (const state of this.#low) {
      touch(state, state.limit)
      state.short = true
    }
    this.#low = []
    this.#wanted = []
    const wants: Array<Want> = []
    for (const state of states) {
      if (!state.short) continue
      const slice = state.current ? Math.max(state.share, state.largest, state.need === 0 ? state.slice : 0) : 0
      state.asked = true
      state.drawing = true
      state.since = 0
      this.#wanted.push(state)
      wants.push({
        account: state.account,
        nanoDollars: Math.max(0, state.need + slice - state.available),
        limitNanoDollars: state.highest
      })
    }
    return wants
  }

  #answered(exit: Answer): void {
    const wanted = this.#wanted
    this.#busy = false
    this.#drawing = undefined
    for (let i = 0; i < wanted.length; i++) {
      const state = wanted[i]!
      state.asked = false
      state.drawing = false
      if (Exit.isFailure(exit)) continue
      const { bookedNanoDollars, grantedNanoDollars } = exit.value[i]!
      state.booked = bookedNanoDollars + state.since
      state.available += grantedNanoDollars
      state.known = true
    }
    this.#serve(exit)
  }

  /** Goes through the queue in order, after the answer of a draw (`exit`) or without one. */
  #serve(exit: Answer | undefined): void {
    const pass = ++this.#pass
    const fresh = exit !== undefined && Exit.isSuccess(exit) ? new Set(this.#wanted) : undefined
    const failed = exit !== undefined && Exit.isFailure(exit) ? unavailable(whyOf(exit.cause)) : undefined
    const wanted = this.#wanted
    this.#wanted = []
    const [resolved, waiting]: [Array<Waiter>, Array<Waiter>] = [[], []]
    for (const waiter of this.#queue) {
      const blocked = waiter.states.some((state) => state.blockedIn === pass)
      const outcome = (blocked ? undefined : this.#judge(waiter, fresh)) ?? (waiter.drawnFor ? failed : undefined)
      if (outcome === undefined) {
        waiting.push(waiter)
        for (const state of waiter.states) state.blockedIn = pass
      } else {
        this.#resolve(waiter, outcome)
        resolved.push(waiter)
      }
    }
    this.#queue = waiting
    for (const { states } of resolved) for (const state of states) this.accounts.trim(state)
    for (const state of wanted) this.accounts.trim(state)
    this.#deliver(resolved)
  }

  #judge({ bindings, nanoDollars, states }: Waiter, fresh: ReadonlySet<State> | undefined): Held | Refusal | undefined {
    let covered = true
    for (let i = 0; i < states.length; i++) {
      const [binding, state] = [bindings[i]!, states[i]!]
      const remainingNanoDollars = state.remaining(binding.limitNanoDollars)
      if (!state.known || nanoDollars > state.available) covered = false
      if (nanoDollars <= remainingNanoDollars) continue
      if (fresh?.has(state)) return { _tag: "Refusal", binding, remainingNanoDollars, resetsAt: state.until }
      covered = false
    }
    return covered ? this.#take(states, nanoDollars) : undefined
  }
}

const whyOf = (cause: Cause.Cause<LedgerStoreDown>): string =>
  Option.match(Cause.findErrorOption(cause), {
    onNone: () => "the store of the budgets has failed",
    onSome: ({ why }) => `the store of the budgets is down: ${why}`
  })
