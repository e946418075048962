/**
 * How steeply a row of measurements rises: the median of the slopes of all pairs (Theil, "A rank-invariant method of linear and polynomial regression analysis", 1950), which no
 * single peak can move, with the interval that holds the true slope in 95 of 100 cases (Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968).
 *
 * The interval takes measurements for independent. Those of one process seldom are quite, so it is a little narrower than it should be.
 */
export interface Sample {
  readonly at: number
  readonly value: number
}

export interface Slope {
  readonly slope: number
  readonly least: number
  readonly most: number
}

/** The 97.5th percentile of the standard normal distribution. */
const z = 1.96

/** In units of value for each unit of time; undefined for fewer than four measurements at different times. */
export const slopeOf = (samples: ReadonlyArray<Sample>): Slope | undefined => {
  const slopes: Array<number> = []
  for (let i = 0; i < samples.length; i++) {
    for (let j = i + 1; j < samples.length; j++) {
      const [a, b] = [samples[i]!, samples[j]!]
      if (b.at !== a.at) slopes.push((b.value - a.value) / (b.at - a.at))
    }
  }
  const n = samples.length
  if (n < 4 || slopes.length === 0) return undefined
  slopes.sort((a, b) => a - b)
  const at = (rank: number): number => slopes[Math.min(slopes.length - 1, Math.max(0, rank))]!
  const middle = slopes.length >> 1
  const reach = (z * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18)) / 2
  return {
    slope: slopes.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2,
    least: at(Math.floor(slopes.length / 2 - reach)),
    most: at(Math.ceil(slopes.length / 2 + reach))
  }
}
