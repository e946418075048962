/**
 * The account of a soak: what callers saw, what the access lines say and what the provider says it played, held against one another, call by call.
 *
 * An error is explained if it follows from what was injected into the attempts on its call's line; a success, if it is the answer that was played, whole. Whatever
 * follows from nothing is a `Finding`. Pure, so that its tests can hold it to faults of its own (`test/bench/soak.test.ts`).
 */
import { spokenIn, text as usualText } from "../../../test/faults/dialects.ts"
import { toldOf } from "../../../test/http/faults/faults.ts"
import type { CallSeen } from "./generator.ts"
import { isCharged, outcomeOf } from "./mix.ts"
import { digestOf, idOf, planOf, type Planned, wordsOf } from "./plan.ts"
import { answerNanoDollars, betterThanCheap, firstOf, limitMillis, tooFewCharacters } from "./policy.ts"
import type { Played } from "./upstream.ts"

/** An access line, as far as it is read here. */
export interface Line {
  /** ISO 8601. */
  readonly time: string
  readonly id: string
  readonly ending: string
  readonly status: number
  readonly duration_ms: number
  readonly shadow_of?: string
  readonly key?: string
  readonly error?: string
  readonly attempts?: ReadonlyArray<AttemptLine>
  readonly rejections?: ReadonlyArray<{ readonly target: string; readonly by: string }>
}

export interface AttemptLine {
  readonly target: string
  readonly why: string
  readonly outcome: string
  readonly started_ms: number
  readonly ended_ms: number
  readonly nano_dollars?: number
  readonly reserved_nano_dollars?: number
  readonly estimated?: boolean
  readonly committed?: boolean
}

/** What follows from nothing. */
export interface Finding {
  readonly kind: string
  readonly call: string
  readonly detail: string
}

export interface Account {
  readonly findings: ReadonlyArray<Finding>
  readonly calls: number
  readonly copies: number
  /** How calls ended for their callers, with the code of the error: how often. */
  readonly endings: ReadonlyMap<string, number>
  /** What was played, and what the attempt came to: how often. */
  readonly attempts: ReadonlyMap<string, number>
  /** Attempts by why they were made. */
  readonly reasons: ReadonlyMap<string, number>
  /** Nano-dollars by the name of the key. */
  readonly spent: ReadonlyMap<string, number>
}

/** Timers of the gateway look every ten milliseconds, and the times of lines begin a moment after those of the attempt. */
const earlyMillis = 15
/** No call may take longer, whatever happens to it: its limit, a slow reader, and a machine that is busy. */
const hangMillis = limitMillis.total + 12_000

const codesOf: Readonly<Record<string, ReadonlyArray<string>>> = {
  breaker: ["no_target_available", "target_paused"],
  busy: ["target_busy"],
  budget: ["budget_exhausted"],
  ledger: ["ledger_unavailable"],
  deadline: ["deadline_exceeded"],
  effort: ["effort_exhausted"]
}

const texts = new Map<number, string>()
const textOf = (words: number): string => {
  let text = texts.get(words)
  if (text === undefined) {
    const whole = JSON.parse(spokenIn("chat.completions", words).whole) as {
      readonly choices: ReadonlyArray<{ readonly message: { readonly content: string } }>
    }
    texts.set(words, (text = whole.choices[0]!.message.content))
  }
  return text
}

/** What a good answer to a call says; what trickles has its usual words. */
const said = (n: number, scenario: string): string => (scenario === "ok" ? textOf(wordsOf(n)) : usualText)

const add = (counts: Map<string, number>, key: string, by = 1): void => void counts.set(key, (counts.get(key) ?? 0) + by)

/** Whether a timeout that nobody injected is one of ours: the attempt has lasted as long as some limit allows. */
const isLate = ({ ended_ms, started_ms }: AttemptLine, { model }: Planned): boolean =>
  ended_ms - started_ms >= limitMillis.connect - earlyMillis ||
  (model === "first" && ended_ms >= limitMillis.within - earlyMillis) ||
  ended_ms >= limitMillis.effort - earlyMillis

/** In which seconds some call was kept from a target by its breaker. */
type Shut = ReadonlySet<string>

const inSecond = (target: string, millis: number, off = 0): string => `${target} ${Math.floor(millis / 1_000) + off}`

const shutIn = (lines: ReadonlyArray<Line>): Shut => {
  const shut = new Set<string>()
  for (const { duration_ms, rejections = [], time } of lines)
    for (const { by, target } of rejections) {
      if (by !== "breaker") continue
      const began = Date.parse(time)
      for (let millis = began; millis < began + duration_ms + 1_000; millis += 1_000) shut.add(inSecond(target, millis))
    }
  return shut
}

interface Case {
  readonly n: number
  readonly plan: Planned
  readonly line: Line
  readonly shut: Shut
}

/** Whether nobody may have been left to ask for a better answer when an attempt ended: breakers kept out all, or the budget was used up. */
const isLast = ({ line: { time }, plan, shut }: Case, { ended_ms }: AttemptLine): boolean => {
  const millis = Date.parse(time) + ended_ms
  return plan.caller === "poor" || betterThanCheap.every((target) => [-1, 0, 1].some((off) => shut.has(inSecond(target, millis, off))))
}

/** What is wrong with an attempt that met `played`; undefined where all is well. */
const wrongAttempt = (one: Case, attempt: AttemptLine, { scenario, stream }: Played): string | undefined => {
  const { line, n, plan } = one
  const { estimated, nano_dollars, outcome, reserved_nano_dollars, target, why } = attempt
  const expected = outcomeOf(scenario, stream)
  const short = said(n, scenario).length < tooFewCharacters
  // A probe is made where nothing else is left: there is nobody to escalate to, and any answer will do.
  const wanted = expected === "served" && target === "cheap" && short && why !== "probe" ? "escalated" : expected
  const isHandedOn = wanted === "escalated" && outcome === "served" && isLast(one, attempt)
  if (outcome === wanted || isHandedOn) {
    if (expected === "served")
      return nano_dollars === answerNanoDollars && estimated === undefined
        ? undefined
        : `an answer cost ${nano_dollars}${estimated ? ", estimated" : ""}`
    const charged = isCharged(scenario, stream)
    if (charged === undefined) return undefined
    const due = charged ? reserved_nano_dollars : 0
    return nano_dollars === due ? undefined : `${scenario} cost ${nano_dollars}, and not ${due}`
  }
  // Its caller has left, or another attempt of its hedge was quicker.
  if (outcome === "cancelled" && (line.ending === "cancelled" || plan.model === "hedge")) return undefined
  if (outcome === "timeout" && isLate(attempt, plan)) return undefined
  return `${scenario}${stream ? ", streamed," : ""} came to ${outcome} on \`${target}\`, and not to ${wanted}`
}

/** Why an attempt may have reached nobody. */
const needsNoPlay = (attempt: AttemptLine, { line, plan }: Case): boolean =>
  (attempt.outcome === "connection" && attempt.target === "nobody") ||
  (attempt.outcome === "cancelled" && (line.ending === "cancelled" || plan.model === "hedge")) ||
  (attempt.outcome === "timeout" && isLate(attempt, plan))

type Pair = readonly [attempt: AttemptLine | undefined, played: Played | undefined]

/** Lays what was played beside the attempts on one target, in order; gives what is left of either. */
const pair = (attempts: ReadonlyArray<AttemptLine>, played: ReadonlyArray<Played>, one: Case): ReadonlyArray<Pair> => {
  const pairs: Array<Pair> = []
  let spare = attempts.length - played.length
  let at = 0
  for (const attempt of attempts) {
    // Where fewer have come than were made, those are skipped that need not have come and that do not fit.
    const meets = played[at]
    const skips =
      spare > 0 && needsNoPlay(attempt, one) && (meets === undefined || outcomeOf(meets.scenario, meets.stream) !== attempt.outcome)
    if (skips) spare--
    else at++
    pairs.push([attempt, skips ? undefined : meets])
  }
  for (; at < played.length; at++) pairs.push([undefined, played[at]])
  return pairs
}

/** What is wrong with the error that a line tells; undefined where it follows from the attempts. */
const wrongError = ({ line, plan }: Case): string | undefined => {
  const { attempts = [], error = "nothing", rejections = [] } = line
  if (plan.caller === "stranger") return error === "invalid_api_key" ? undefined : `a stranger was told ${error}`
  const failed = attempts.filter(({ outcome }) => Object.hasOwn(toldOf, outcome))
  const codes = ({ outcome }: AttemptLine): string => toldOf[outcome as keyof typeof toldOf][1]
  const committed = failed.find(({ committed }) => committed === true)
  if (committed !== undefined)
    return codes(committed) === error ? undefined : `${error} was told of a stream that ended as ${committed.outcome}`
  const causes = plan.model === "hedge" ? failed : failed.slice(0, 1)
  if (causes.length > 0)
    return causes.some((cause) => codes(cause) === error) ? undefined : `${error} was told, and the first cause was ${causes[0]!.outcome}`
  const first = rejections.find(({ target }) => target === firstOf[plan.model]) ?? rejections[0]
  if (first === undefined) return `${error} was told without an attempt or a rejection`
  if (first.by === "budget" && plan.caller !== "poor") return `${plan.caller} has used up a budget that nobody can`
  return codesOf[first.by]?.includes(error) === true ? undefined : `${error} was told where \`${first.target}\` was kept out by ${first.by}`
}

/** What is wrong with what a caller saw; undefined where it is what its line says. */
const wrongSight = ({ line, n, plan }: Case, seen: CallSeen, serving: Played | undefined): string | undefined => {
  if (seen.how === "left") return undefined
  if (seen.how === "broken") return `the connection broke (${seen.why}), and the line says ${line.ending}`
  if (line.ending === "cancelled") return "the line says cancelled, and its caller stayed to the end"
  if (line.ending === "served") {
    if (seen.status !== 200 || seen.end !== "whole") return `the line says served, and its caller saw ${seen.status}, ${seen.end}`
    if (serving === undefined) return "served, and no target has answered"
    return seen.text === digestOf(said(n, serving.scenario)) ? undefined : `the text is not that of the answer: ${seen.text}`
  }
  const begun = line.attempts?.some(({ committed }) => committed === true) === true
  if (seen.end !== "error") return `the line says ${line.error}, and what its caller saw ends as ${seen.end}`
  if (seen.isShapely === false) return "the error has not the shape of its dialect"
  if (seen.code !== line.error) return `its caller was told ${seen.code}, and the line says ${line.error}`
  const status = begun && plan.stream ? 200 : line.status
  return seen.status === status ? undefined : `its caller saw ${seen.status}, and the line says ${line.status}`
}

export const accountOf = (seen: ReadonlyArray<CallSeen>, lines: ReadonlyArray<Line>, played: ReadonlyArray<Played>): Account => {
  const findings: Array<Finding> = []
  const [endings, outcomes, reasons, spent] = [
    new Map<string, number>(),
    new Map<string, number>(),
    new Map<string, number>(),
    new Map<string, number>()
  ]
  const find = (kind: string, call: string, detail: string): void => void findings.push({ kind, call, detail })

  const shut = shutIn(lines)
  const linesById = new Map<string, Line>()
  let copies = 0
  for (const line of lines) {
    if (linesById.has(line.id)) find("two records", line.id, "a second line for one call")
    linesById.set(line.id, line)
    if (line.shadow_of !== undefined) copies++
    if (line.duration_ms > hangMillis) find("hang", line.id, `it took ${line.duration_ms} ms`)
    for (const { nano_dollars, why } of line.attempts ?? []) {
      add(reasons, why)
      add(spent, line.key ?? "", nano_dollars ?? 0)
    }
  }
  const playedById = new Map<string, Array<Played>>()
  for (const one of played) {
    const id = one.model === "copy" ? `${idOf(one.n)}.shadow` : idOf(one.n)
    const of = playedById.get(id)
    if (of === undefined) playedById.set(id, [one])
    else of.push(one)
  }

  /** Judges the attempts of a line, and gives what was played for the one that served. */
  const judgeAttempts = (one: Case): Played | undefined => {
    const { attempts = [], id } = one.line
    let serving: Played | undefined
    const all = playedById.get(id) ?? []
    playedById.delete(id)
    const targets = new Set([...attempts.map(({ target }) => target), ...all.map(({ model }) => model)])
    for (const target of targets) {
      const pairs = pair(
        attempts.filter((attempt) => attempt.target === target),
        all.filter(({ model }) => model === target),
        one
      )
      for (const [attempt, play] of pairs) {
        add(outcomes, `${play?.scenario ?? "(did not arrive)"}|${attempt?.outcome ?? "(not on record)"}`)
        if (attempt === undefined)
          find("attempt without record", id, `\`${target}\` was asked once more than the line says: ${play!.scenario}`)
        else if (play === undefined) {
          if (!needsNoPlay(attempt, one)) find("attempt without cause", id, `${attempt.outcome} on \`${target}\`, which was not asked`)
        } else {
          if (attempt.outcome === "served") serving = play
          const wrong = wrongAttempt(one, attempt, play)
          if (wrong !== undefined) find("attempt unexplained", id, wrong)
        }
      }
    }
    return serving
  }

  for (const call of seen) {
    const { n } = call
    const id = idOf(n)
    const plan = planOf(n)
    const line = linesById.get(id)
    linesById.delete(id)
    if (line === undefined) {
      // One who hangs up before the request has arrived has made no call.
      if (call.how !== "left" || playedById.has(id)) find("no record", id, `its caller saw: ${call.how}, ${call.status}, ${call.code}`)
      add(endings, "left before it arrived")
      continue
    }
    const one = { n, plan, line, shut }
    add(
      endings,
      `${line.ending}${line.error === undefined ? "" : `, ${line.error}`}${line.attempts?.some(({ committed }) => committed) === true ? ", after it had begun" : ""}`
    )
    const serving = judgeAttempts(one)
    const sight = wrongSight(one, call, serving)
    if (sight !== undefined) find("caller and record differ", id, sight)
    if (line.ending === "failed" || line.ending === "refused") {
      const wrong = wrongError(one)
      if (wrong !== undefined) find("error unexplained", id, wrong)
    }
  }

  for (const line of linesById.values()) {
    const n = Number(/^soak-(\d+)\.shadow$/.exec(line.id)?.[1] ?? -1)
    if (line.shadow_of === undefined || n < 0) find("record without call", line.id, `${line.ending}, ${line.error}`)
    else judgeAttempts({ n, plan: planOf(n), line, shut })
  }
  for (const [id, [first]] of playedById) find("attempt without record", id, `\`${first!.model}\` was asked, and there is no line`)
  return { findings, calls: seen.length, copies, endings, attempts: outcomes, reasons, spent }
}
