/**
 * "Did you mean …?": the nearest of the known names to a misspelt one. Runs while loading and for refused requests, never for served ones.
 */

/** Edit distance with insertions, deletions, substitutions and swaps of neighbours (optimal string alignment). */
const distance = (a: string, b: string): number => {
  let before: Array<number> = []
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) best = Math.min(best, before[j - 2]! + 1)
      row.push(best)
    }
    before = previous
    previous = row
  }
  return previous[b.length]!
}

/** The names nearest to `word`, best first, at most `limit`; none when nothing is near. Only the first 64 characters count. */
export const nearest = (word: string, names: Iterable<string>, limit = 1): ReadonlyArray<string> => {
  const asked = word.slice(0, 64).toLowerCase()
  const within = Math.ceil(asked.length / 3)
  const found: Array<readonly [number, string]> = []
  for (const name of names) {
    const d = distance(asked, name.slice(0, 64).toLowerCase())
    // Replacing every letter makes any word of another.
    if (d <= within && d < asked.length) found.push([d, name])
  }
  return found
    .sort(([a], [b]) => a - b)
    .slice(0, limit)
    .map(([, name]) => name)
}

/** `; did you mean …?` for the nearest name, or nothing. */
export const didYouMean = (word: string, names: Iterable<string>): string | undefined => {
  const [best] = nearest(word, names)
  return best === undefined ? undefined : `did you mean \`${best}\`?`
}
