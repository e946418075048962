/**
 * Places on targets that say how much of them may be under way at once (`capacity`): who has one, and who waits for one, in the order in which they have come.
 *
 * Asked once per attempt, and only of such targets. Coming and leaving are plain synchronous functions, and leaving is right whatever has become of a place, so that an interruption can come in
 * at any moment and nothing is lost or given back twice; only the wait is an Effect. Who leaves hands the place to whoever has waited longest, in the same moment: nobody who
 * comes later can take it.
 *
 * Places are kept by the deployment, as health is, and a policy that is linked says how many there are: at once for whoever comes and whoever waits. Calls under way keep their places, more
 * of them than there are any more, should it be fewer now.
 *
 * Roads not taken: Effect's `Semaphore`, whose waiters cannot be bounded, looked at, or moved by a changed number of permits without a fibre; and a limit that is learnt
 * from latencies (Netflix's concurrency-limits), which hides from the author what a provider's contract says in one number.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Capacity, Target } from "./Target.ts"

/** What an attempt has, or waits for, on a deployment. */
export interface Place {
  readonly state: "waiting" | "held" | "left"
}

interface Gate {
  readonly identity: string
  capacity: Capacity
  held: number
  /** The longest wait first: a set keeps the order in which it was added to. */
  readonly waiting: Set<OnePlace>
}

class OnePlace implements Place {
  readonly gate: Gate
  state: Place["state"]
  /** Wakes whoever waits for it. */
  wake: (() => void) | undefined = undefined

  constructor(gate: Gate, state: Place["state"]) {
    this.gate = gate
    this.state = state
  }
}

/** A deployment under two names has as many places as the name that allows it fewer. */
const capacitiesOf = (targets: Iterable<Pick<Target, "identity" | "capacity">>): ReadonlyMap<string, Capacity> => {
  const capacities = new Map<string, Capacity>()
  for (const { capacity, identity } of targets) {
    if (capacity !== undefined && capacity.inFlight < (capacities.get(identity)?.inFlight ?? Infinity)) capacities.set(identity, capacity)
  }
  return capacities
}

export class Slots extends Context.Service<
  Slots,
  {
    /** Makes the capacities of `targets` those that hold. Whoever waits where there is room now has a place. */
    readonly declare: (targets: Iterable<Pick<Target, "identity" | "capacity">>) => void
    /** A place on `identity`, or one in its queue; undefined where both are full. Must be left. `capacity` holds where nothing is declared of it. */
    readonly enter: (identity: string, capacity: Capacity) => Place | undefined
    /** Waits until `place` is held, for ever where it is left before; once at a time. */
    readonly turn: (place: Place) => Effect.Effect<void>
    /** Gives up a place, or waiting for one. Again it does nothing. */
    readonly leave: (place: Place) => void
    /** Whether whoever came to `identity` now would have to wait, or be turned away. */
    readonly full: (identity: string) => boolean
    /** How many have a place on `identity`, and how many wait for one. */
    readonly standing: (identity: string) => { readonly held: number; readonly waiting: number }
  }
>()("turnout/Slots") {
  static readonly layer = Layer.sync(Slots, () => {
    let declared: ReadonlyMap<string, Capacity> = new Map()
    /** Those on which something is under way, and those that are declared and have been tried. What is declared no more stays as it was until somebody comes by a policy that says otherwise. */
    const gates = new Map<string, Gate>()

    const admit = (gate: Gate): void => {
      for (const place of gate.waiting) {
        if (gate.held >= gate.capacity.inFlight) return
        gate.waiting.delete(place)
        gate.held++
        place.state = "held"
        place.wake?.()
      }
    }
    const forget = ({ held, identity, waiting }: Gate): void => {
      if (held + waiting.size === 0 && !declared.has(identity)) gates.delete(identity)
    }
    // INVARIANT: whenever a place comes free, or there are more of them, those that wait have it before anybody else is asked; so nobody waits where there is one.
    const isFull = ({ capacity, held }: Gate): boolean => held >= capacity.inFlight

    return Slots.of({
      declare: (targets) => {
        declared = capacitiesOf(targets)
        for (const gate of gates.values()) {
          gate.capacity = declared.get(gate.identity) ?? gate.capacity
          admit(gate)
          forget(gate)
        }
      },
      enter: (identity, own) => {
        const capacity = declared.get(identity) ?? own
        let gate = gates.get(identity)
        if (gate === undefined) {
          gate = { identity, capacity, held: 0, waiting: new Set() }
          gates.set(identity, gate)
        } else if (gate.capacity !== capacity) {
          gate.capacity = capacity
          admit(gate)
        }
        if (!isFull(gate)) {
          gate.held++
          return new OnePlace(gate, "held")
        }
        if (gate.waiting.size >= capacity.queued) return undefined
        const place = new OnePlace(gate, "waiting")
        gate.waiting.add(place)
        return place
      },
      turn: (place) =>
        // Whoever leaves must not carry out another's attempt on its own stack.
        Effect.andThen(
          Effect.callback<void>((resume) => {
            // INVARIANT: places are made by `enter` alone.
            const one = place as OnePlace
            if (one.state === "held") {
              resume(Effect.void)
              return
            }
            one.wake = () => resume(Effect.void)
            return Effect.sync(() => (one.wake = undefined))
          }),
          Effect.yieldNow
        ),
      leave: (place) => {
        const one = place as OnePlace
        const { gate, state } = one
        one.state = "left"
        one.wake = undefined
        if (state === "held") gate.held--
        else if (state === "waiting") gate.waiting.delete(one)
        else return
        admit(gate)
        forget(gate)
      },
      full: (identity) => {
        const gate = gates.get(identity)
        return gate !== undefined && isFull(gate)
      },
      standing: (identity) => {
        const gate = gates.get(identity)
        return { held: gate?.held ?? 0, waiting: gate?.waiting.size ?? 0 }
      }
    })
  })
}
