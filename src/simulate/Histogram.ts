/**
 * How long things took, without keeping each: counts in buckets that are as wide as their value is large, so quantiles are right to 0.8 % whatever the range.
 *
 * Values are whole microseconds. Below 128 every value has its bucket; above, each power of two is cut into 64. The index is found with shifts, not with
 * `Math.log`, so it is the same on every machine.
 */

const parts = 64

/** The most by which a quantile may be wrong, as a part of it: half a bucket's width. */
export const relativeError = 1 / (2 * parts)

const indexOf = (micros: number): number => {
  let value = micros
  let shift = 0
  // Shifts work on 32 bits; what is longer than half an hour is halved first.
  while (value >= 0x40000000) {
    value = Math.floor(value / 2)
    shift++
  }
  if (value < 2 * parts) return value + shift * parts
  const more = 25 - Math.clz32(value)
  return (value >>> more) + (more + shift) * parts
}

/** The middle of a bucket. */
const middleOf = (index: number): number => {
  if (index < 2 * parts) return index
  const shift = Math.floor(index / parts) - 1
  const width = 2 ** shift
  return (index - shift * parts) * width + (width - 1) / 2
}

export class Histogram {
  #counts = new Uint32Array(0)
  #total = 0
  #sum = 0
  #max = 0

  get count(): number {
    return this.#total
  }

  /** Microseconds; the exact greatest, 0 where there is none. */
  get max(): number {
    return this.#max
  }

  /** Microseconds; exact but for rounding. */
  get mean(): number {
    return this.#total === 0 ? 0 : this.#sum / this.#total
  }

  /** Counts a value in whole microseconds; below 0 is 0. */
  add(value: number): void {
    const micros = value > 0 ? value : 0
    const index = indexOf(micros)
    if (index >= this.#counts.length) {
      const grown = new Uint32Array(index + parts)
      grown.set(this.#counts)
      this.#counts = grown
    }
    this.#counts[index]!++
    this.#total++
    this.#sum += micros
    if (micros > this.#max) this.#max = micros
  }

  /** The value below or at which a part `q` of all lies: that of rank ⌈q × count⌉. 0 where there is none. */
  quantile(q: number): number {
    if (this.#total === 0) return 0
    const rank = Math.max(1, Math.ceil(q * this.#total))
    let seen = 0
    for (let index = 0; index < this.#counts.length; index++) {
      seen += this.#counts[index]!
      if (seen >= rank) return Math.min(middleOf(index), this.#max)
    }
    return this.#max
  }
}
