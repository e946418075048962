/**
 * The same outage played live and simulated gives the same story: over real HTTP with scripted providers, and over virtual time with modelled ones, every
 * decision, attempt, rejection, refusal and nano-dollar is compared, of calls and of their copies, with why each attempt was made, with which key, and about when.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { check } from "../../src/Check.ts"
import { seed } from "../seed.ts"
import { gridMillis, type Story, story, themes, type Theme, troubles } from "./story.ts"
import { type Acted, isNoRace, lagMillis, type Line, type Play, shows, simulated, staged, told } from "./story/plays.ts"

/** How long a process may be held up without anything having come too late. */
const bearableMillis = 100

/** How much later than in the simulation anything may come: an attempt after some others, each with its way over HTTP. */
const nearMillis = 350

interface Told {
  readonly story: Story
  readonly play: Play
}

/** The first of `theme` that shows it and is no race. */
const tell = (theme: Theme, seed: number): Told => {
  const arbitrary = story(theme, (name) => (name === "dead" ? "http://127.0.0.1:1/v1" : `http://${name}.test/v1`))
  for (let i = 0; i < 40; i++) {
    for (const drawn of fc.sample(arbitrary, { seed: seed + i, numRuns: 10 })) {
      if (check(drawn.policy).policy === undefined) continue
      const play = simulated(drawn)
      if (shows[theme](play.lines) && isNoRace(drawn, play)) return { story: drawn, play }
    }
  }
  throw new Error(`no story of ${theme} with seed ${seed}`)
}

/** Where a play differs from its simulation; undefined where it does not. */
const difference = ({ play, story }: Told, acted: Play, seed: number): (() => void) | undefined => {
  const say = (n: number, what: string): string =>
    `${what}, ${story.theme}, seed ${seed}: ${JSON.stringify({ routes: story.policy.routes, episodes: story.episodes, calls: story.calls.slice(0, n) })}`
  for (const [n, line] of play.lines.entries()) {
    const [expected, found] = [told(line), acted.lines[n] && told(acted.lines[n])]
    if (JSON.stringify(expected) !== JSON.stringify(found)) return () => assert.deepStrictEqual(found, expected, say(n + 1, line.id))
    for (const [i, { ended_ms, started_ms, target }] of (line.attempts ?? []).entries()) {
      const attempt = acted.lines[n]!.attempts![i]!
      const off = Math.max(Math.abs(attempt.started_ms - started_ms), Math.abs(attempt.ended_ms - ended_ms))
      if (off > nearMillis) return () => assert.isAtMost(off, nearMillis, say(n + 1, `${line.id} at ${target}`))
    }
  }
  const count = play.lines.length
  if (acted.lines.length !== count) return () => assert.strictEqual(acted.lines.length, count, say(99, "lines"))
  if (JSON.stringify(acted.asked) !== JSON.stringify(play.asked))
    return () => assert.deepStrictEqual(acted.asked, play.asked, say(99, "asked"))
  return undefined
}

/** By how much an attempt that went as it was simulated took longer, or its call longer until it began. */
const latestMillis = ({ play }: Told, acted: Acted): number =>
  Math.max(
    0,
    ...play.lines.flatMap((line, n) => {
      const [expected, found] = [line.attempts ?? [], acted.lines[n]?.attempts ?? []]
      return expected.flatMap((one, i) => {
        const other = found[i]
        if (other === undefined || other.target !== one.target || other.outcome !== one.outcome) return []
        return [other.ended_ms - other.started_ms - (one.ended_ms - one.started_ms), i === 0 ? other.started_ms - one.started_ms : 0]
      })
    })
  )

/** Whether what went on was not what a calm machine does: it was held up, was later than a story is known to bear (`isNoRace`), or waited for a disk. */
const wasDisturbed = (one: Told, acted: Acted): boolean =>
  acted.heldUpMillis > bearableMillis ||
  latestMillis(one, acted) > lagMillis ||
  acted.lines.some(({ rejections = [] }) => rejections.some(({ by }) => by === "ledger"))

describe("live and simulated", () => {
  const seen: Array<Line> = []

  it("tell the same story: every decision, attempt, rejection, refusal and nano-dollar", { timeout: 120_000 }, async () => {
    // Two of each theme, from seeds that do not meet.
    let left: ReadonlyArray<Told> = [seed, seed + 1_000_000].flatMap((seed) => themes.map((theme) => tell(theme, seed)))
    // What has been disturbed by the machine is played again, and what has not must be right at once.
    for (let round = 1; left.length > 0; round++) {
      const stages = await Promise.all(left.map(({ story }) => staged(story)))
      // Side by side, but no two of them in step.
      const plays = await Promise.all(
        stages.map((perform, i) => perform(left[i]!.play.lines.length, 100 + (i * gridMillis) / stages.length))
      )
      const wrong = left.filter((one, i) => {
        const differs = difference(one, plays[i]!, seed)
        if (differs === undefined) seen.push(...one.play.lines)
        else if (round === 3 || !wasDisturbed(one, plays[i]!)) differs()
        return differs !== undefined
      })
      left = wrong
    }
  })

  it("…in which nearly everything has gone wrong that can", () => {
    const attempts = seen.flatMap(({ attempts = [] }) => attempts)
    const outcomes = new Set(attempts.map(({ outcome }) => outcome))
    assert.isAtLeast(troubles.filter((trouble) => outcomes.has(trouble)).length, 8)
    assert.includeMembers([...outcomes], ["served", "connection", "escalated", "cancelled"])
    assert.includeMembers([...new Set(attempts.map(({ why }) => why))], ["first", "failover", "credential", "retry", "hedge", "escalation"])
    assert.includeMembers(
      [...new Set(seen.flatMap(({ rejections = [] }) => rejections.map(({ by }) => by)))],
      ["budget", "grant", "breaker", "busy"]
    )
    assert.isTrue(attempts.some(({ estimated }) => estimated === true))
    for (const theme of themes) assert.isTrue(shows[theme](seen), theme)
  })
})
