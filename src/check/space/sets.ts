/**
 * Sets of the values that one variable can take, in the two forms that the checker needs; none is ever empty, the empty set is `undefined`.
 *
 * - **Members** of a list that grows while conditions are read (texts, callers, true and false): a `bigint` with a bit for each member, where a negative one holds
 *   every member that is yet to come. So the sets with finitely many exceptions need no case of their own: complement is `~`, and an operator does the rest. A
 *   set of one is the member's number itself: nearly all comparisons are of two such, and large integers would be made for each.
 * - **Spans** of numbers: the bounds of half-open intervals in ascending order. Half-open bounds need no successor to be cut, so whole numbers, doubles and amounts of
 *   money share this code, and who makes a span has rounded its bounds to values that there are (`domains.ts`). Absence lies below all numbers, at -∞.
 */

/** A member by its number, or a bit for each member. */
export type Members = number | bigint
/** Bounds in turn, of `from <= x < to`. */
export type Spans = ReadonlyArray<number>
export type Values = Members | Spans

/** How one set lies to another: disjoint, a subset, or partly outside. The numbers add up to the variables on which a box is partly outside another. */
export const apart = -1
export const within = 0
export const across = 1
export type Relation = typeof apart | typeof within | typeof across

const bitsOf = (members: Members): bigint => (typeof members === "number" ? 1n << BigInt(members) : members)

/** Whether `member` is in the set; one that has no number yet goes by the next. */
export const hasMember = (members: Members, member: number): boolean =>
  typeof members === "number" ? members === member : ((members >> BigInt(member)) & 1n) === 1n

/** The member of the lowest number. */
export const lowest = (members: Members): number => {
  if (typeof members === "number") return members
  const digits = (members & -members).toString(16)
  return (digits.length - 1) * 4 + (31 - Math.clz32(Number.parseInt(digits[0]!, 16)))
}

const tidy = (bits: bigint): Members | undefined => {
  if (bits === 0n) return undefined
  return bits > 0n && (bits & (bits - 1n)) === 0n ? lowest(bits) : bits
}

/** The set of these members. */
export const membersOf = (members: Iterable<number>): Members | undefined => {
  // Digits of 32 bits: to set the bits of one large integer after another would take the square of them.
  const words: Array<number> = []
  for (const member of members) {
    const word = member >>> 5
    while (words.length <= word) words.push(0)
    words[word] = (words[word]! | (1 << (member & 31))) >>> 0
  }
  return words.length === 0
    ? undefined
    : tidy(
        BigInt(
          `0x${words
            .toReversed()
            .map((word) => word.toString(16).padStart(8, "0"))
            .join("")}`
        )
      )
}

/** Whether a number is in one of the spans. */
export const hasNumber = (spans: Spans, x: number): boolean => {
  for (let i = 0; i < spans.length; i += 2) if (x < spans[i + 1]!) return x >= spans[i]!
  return false
}

/** The numbers that are kept by where they are. */
const sweep = (a: Spans, b: Spans, keeps: (inA: boolean, inB: boolean) => boolean): Spans | undefined => {
  const bounds: Array<number> = []
  let [i, j, kept] = [0, 0, false]
  while (i < a.length || j < b.length) {
    const at = Math.min(a[i] ?? Infinity, b[j] ?? Infinity)
    if (a[i] === at) i++
    if (b[j] === at) j++
    if (keeps(i % 2 === 1, j % 2 === 1) === kept) continue
    kept = !kept
    bounds.push(at)
  }
  return bounds.length === 0 ? undefined : bounds
}

const isSpans = (values: Values): values is Spans => typeof values === "object"

/** What is in both. */
export const meet = (a: Values, b: Values): Values | undefined => {
  // INVARIANT: both sets are of one variable, so they have one form.
  if (isSpans(a)) return sweep(a, b as Spans, (inA, inB) => inA && inB)
  if (typeof a === "number") return hasMember(b as Members, a) ? a : undefined
  if (typeof b === "number") return hasMember(a, b) ? b : undefined
  return tidy(a & (b as bigint))
}

/** What is in `a` alone. */
export const minus = (a: Values, b: Values): Values | undefined => {
  if (isSpans(a)) return sweep(a, b as Spans, (inA, inB) => inA && !inB)
  if (typeof a === "number") return hasMember(b as Members, a) ? undefined : a
  return tidy(a & ~bitsOf(b as Members))
}

/** What is in either. */
export const join = (a: Values, b: Values): Values =>
  isSpans(a) ? sweep(a, b as Spans, (inA, inB) => inA || inB)! : tidy(bitsOf(a) | bitsOf(b as Members))!

export const isSame = (a: Values, b: Values): boolean =>
  a === b || (isSpans(a) && a.length === (b as Spans).length && a.every((bound, i) => bound === (b as Spans)[i]))

/** How `a` lies to `b`. */
export const relate = (a: Values, b: Values): Relation => {
  if (typeof a === "number") return hasMember(b as Members, a) ? within : apart
  if (typeof a === "bigint") {
    // A set of one is never in bits.
    if (typeof b === "number") return hasMember(a, b) ? across : apart
    const both = a & (b as bigint)
    return both === 0n ? apart : both === a ? within : across
  }
  const spans = b as Spans
  if (a.length === 2 && spans.length === 2) {
    if (a[1]! <= spans[0]! || spans[1]! <= a[0]!) return apart
    return spans[0]! <= a[0]! && a[1]! <= spans[1]! ? within : across
  }
  return meet(a, b) === undefined ? apart : minus(a, b) === undefined ? within : across
}
