/**
 * Luck that depends on what it is for, never on when it is asked: a number is a hash of the seed and of what is drawn, so a change elsewhere in a policy, which
 * runs other attempts in another order, does not reshuffle it.
 *
 * 32-bit multiplications alone make the bits, the same on every machine. `Math.log` and `Math.exp` are not exact by specification; what is
 * computed with them is rounded to whole microseconds, where differences in the last bit vanish. A generator with a state would be shorter and
 * would tie every draw to the order of execution.
 */

/** Scrambles 32 bits (the finaliser of MurmurHash3). */
const mix = (bits: number): number => {
  let x = bits | 0
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
  return x ^ (x >>> 16)
}

const golden = 0x9e3779b9

/** The hash of `value`, following on `hash`. */
export const derive = (hash: number, value: number): number => mix(Math.imul(hash, 31) + Math.imul(value, golden) + golden)

/** The hash of a text, following on `hash`. */
export const deriveText = (hash: number, text: string): number => {
  let derived = hash
  for (let i = 0; i < text.length; i++) derived = derive(derived, text.charCodeAt(i))
  return derive(derived, text.length)
}

/** Draw number `n` from `hash`: uniform in (0, 1), never an end. */
export const uniform = (hash: number, n: number): number => ((derive(hash, n) >>> 0) + 0.5) / 2 ** 32

/** A whole number below `bound` by draw number `n`. */
export const below = (hash: number, n: number, bound: number): number => Math.floor(uniform(hash, n) * bound)

const tail = (q: number): number =>
  (((((-7.784894002430293e-3 * q - 3.223964580411365e-1) * q - 2.400758277161838) * q - 2.549732539343734) * q + 4.374664141464968) * q +
    2.938163982698783) /
  ((((7.784695709041462e-3 * q + 3.224671290700398e-1) * q + 2.445134137142996) * q + 3.754408661907416) * q + 1)

/** The standard normal value below which a part `p` of all lies, to nine digits (Acklam's approximation). */
export const normalQuantile = (p: number): number => {
  if (p < 0.02425) return tail(Math.sqrt(-2 * Math.log(p)))
  if (p > 1 - 0.02425) return -tail(Math.sqrt(-2 * Math.log(1 - p)))
  const q = p - 0.5
  const r = q * q
  return (
    ((((((-3.969683028665376e1 * r + 2.209460984245205e2) * r - 2.759285104469687e2) * r + 1.38357751867269e2) * r - 3.066479806614716e1) *
      r +
      2.506628277459239) *
      q) /
    (((((-5.447609879822406e1 * r + 1.615858368580409e2) * r - 1.556989798598866e2) * r + 6.680131188771972e1) * r - 1.328068155288572e1) *
      r +
      1)
  )
}
