/** What a ledger means, without slices, stores or queues: limit − settled − reserved, and nothing else. */
import type { Binding, Refusal } from "../../src/Ledger.ts"

/** The window of `time`, told by `Date`, which the ledger does without. */
export const windowOf = (every: Binding["every"], time: number): { readonly name: string; readonly until: number } => {
  const date = new Date(time)
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()]
  return every === "day"
    ? { name: date.toISOString().slice(0, 10), until: Date.UTC(year, month, day + 1) }
    : { name: date.toISOString().slice(0, 7), until: Date.UTC(year, month + 1, 1) }
}

const names = new Map<string, string>()

/** The account's name; remembered, for `Date` is slow. */
export const keyOf = ({ budget, every, scope }: Binding, time: number): string => {
  const of = `${every} ${time}`
  let name = names.get(of)
  if (name === undefined) names.set(of, (name = windowOf(every, time).name))
  return `${budget} ${scope} ${name}`
}

export interface Open {
  readonly keys: ReadonlyArray<string>
  readonly nanoDollars: number
}

export class Reference {
  /** By account: settled by this process, or taken as spent after a crash. */
  readonly #spent = new Map<string, number>()
  readonly #open = new Set<Open>()

  spent(key: string): number {
    return this.#spent.get(key) ?? 0
  }

  reserved(key: string): number {
    let sum = 0
    for (const { keys, nanoDollars } of this.#open) if (keys.includes(key)) sum += nanoDollars
    return sum
  }

  remaining(binding: Binding, time: number): number {
    const key = keyOf(binding, time)
    return binding.limitNanoDollars - this.spent(key) - this.reserved(key)
  }

  /** What must be said to a reservation at this instant: the first binding that cannot cover it, or undefined where all can. */
  refusal(bindings: ReadonlyArray<Binding>, nanoDollars: number, time: number): Refusal | undefined {
    for (const binding of bindings) {
      const remainingNanoDollars = this.remaining(binding, time)
      if (nanoDollars > remainingNanoDollars)
        return { _tag: "Refusal", binding, remainingNanoDollars, resetsAt: windowOf(binding.every, time).until }
    }
    return undefined
  }

  hold(bindings: ReadonlyArray<Binding>, nanoDollars: number, time: number): Open {
    const open = { keys: bindings.map((binding) => keyOf(binding, time)), nanoDollars }
    this.#open.add(open)
    return open
  }

  settle(open: Open, nanoDollars: number): void {
    if (!this.#open.delete(open)) return
    for (const key of open.keys) this.#spent.set(key, this.spent(key) + nanoDollars)
  }

  /** The process is gone, and what the store has booked is all that is known. */
  begin(booked: Iterable<readonly [key: string, nanoDollars: number]>): void {
    this.#open.clear()
    for (const [key, nanoDollars] of booked) this.#spent.set(key, nanoDollars)
  }
}
