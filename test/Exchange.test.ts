/**
 * The live attempt over a provider that is played by hand, under virtual time: every limit of time, every way of committing, and the claim of a hedge. What needs
 * a socket is in `http/limits.test.ts`.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import * as fc from "fast-check"
import { TestClock } from "effect/testing"
import { Attempt } from "../src/Attempt.ts"
import * as Exchange from "../src/Exchange.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger } from "../src/Ledger.ts"
import { make } from "../src/Pipeline.ts"
import type { Commit, PolicyEncoded } from "../src/Policy.ts"
import { chatCompletions } from "../src/providers/openai.ts"
import { type CallRecord, Recorder } from "../src/Recorder.ts"
import { Slots } from "../src/Slots.ts"
import { Upstream, type UpstreamCall, type UpstreamRequest, type UpstreamSink } from "../src/Upstream.ts"
import {
  chunk,
  chunks,
  claude,
  closing,
  completion,
  done,
  event,
  message,
  messageEnd,
  messageStart,
  opening,
  textBlock
} from "./http/support.ts"
import { compiled } from "./scripted.ts"

type Timeouts = NonNullable<PolicyEncoded["timeouts"]>

/** One route to a provider of the caller's dialect, `one`, or to Claude. */
const policyOf = (target: "one" | "claude", more: Partial<PolicyEncoded> = {}): PolicyEncoded => ({
  name: "test",
  providers: { one: { dialect: "openai" }, claude: { dialect: "anthropic" } },
  targets: { one: { provider: "one", model: "gpt-4o" }, claude: { provider: "claude", model: "claude-sonnet-4-5" } },
  ...more,
  routes: [{ name: "only", to: target }]
})

/** A request as the provider got it, and the provider's side of the connection. */
interface Open {
  readonly request: UpstreamRequest
  readonly sink: UpstreamSink
  /** Whether there is a connection. */
  sent: boolean
  paused: boolean
  aborted: boolean
}

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** What the caller has got. */
class Told {
  begun = false
  ends = 0
  text = ""
  headers: Readonly<Record<string, string>> = {}
  /** Whether the reader takes what it gets. */
  reads = true
  resume: (() => void) | undefined
  begin(_status: number, headers: ReadonlyArray<string>): void {
    assert.isFalse(this.begun)
    this.begun = true
    this.headers = Object.fromEntries(headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1]!] as const] : [])))
  }
  write(bytes: Uint8Array | string): boolean {
    assert.isTrue(this.begun)
    assert.strictEqual(this.ends, 0)
    this.text += typeof bytes === "string" ? bytes : decoder.decode(bytes)
    return this.reads
  }
  end(bytes?: Uint8Array | string): void {
    if (bytes !== undefined) this.write(bytes)
    this.ends++
  }
  onDrain(resume: () => void): void {
    this.resume = resume
  }
}

interface Options {
  readonly claim?: (told: Told) => boolean
  readonly maxAnswerBytes?: number
  readonly stream?: boolean
}

/** A call that has been sent to its provider. */
const calling = Effect.fnUntraced(function* (policy: PolicyEncoded, { claim, maxAnswerBytes = 1_000_000, stream = true }: Options = {}) {
  const told = new Told()
  const records: Array<CallRecord> = []
  let open: Open | undefined
  const send = (request: UpstreamRequest, sink: UpstreamSink): UpstreamCall => {
    const here: Open = { request, sink, sent: true, paused: false, aborted: false }
    open = here
    return {
      get sent() {
        return here.sent
      },
      abort: () => void (here.aborted = true),
      pause: () => void (here.paused = true),
      resume: () => void (here.paused = false)
    }
  }
  const exchange = Exchange.layer({ secretOf: () => undefined, maxAnswerBytes }).pipe(Layer.provide(Layer.succeed(Upstream, { send })))
  const attempt = Layer.effect(
    Attempt,
    Effect.map(Attempt, ({ run }) => ({
      run: (call, target, limits, account) =>
        run(call, target, claim === undefined ? limits : { ...limits, claim: () => claim(told) }, account)
    }))
  ).pipe(Layer.provide(exchange))
  const recorder = Recorder.layerOf((record) => void records.push(record))
  const services = yield* Layer.build(Layer.mergeAll(attempt, Health.layer(), Slots.layer, Keys.layerNames, Ledger.layerMemory, recorder))
  const pipeline = yield* Effect.provideContext(make(compiled(policy)), services)
  const body = encoder.encode(JSON.stringify({ model: "any", stream, messages: [{ role: "user", content: "Which way?" }] }))
  const fiber = yield* Effect.forkChild(
    pipeline.run({
      id: "call-1",
      api: chatCompletions,
      secret: undefined,
      reply: told,
      parse: () => chatCompletions.parse(body, () => null)
    }),
    { startImmediately: true }
  )
  const { sink } = open!
  return {
    told,
    open: open!,
    head: (type = "text/event-stream", status = 200) => sink.head(status, { "content-type": type }),
    says: (...pieces: ReadonlyArray<string>) => {
      for (const piece of pieces) sink.data(encoder.encode(piece))
    },
    ends: () => sink.end(),
    /** The attempt as it was recorded, once the call has ended. */
    ended: Effect.map(Fiber.join(fiber), () => records[0]!.call!.attempts[0]!),
    /** Whether the call has ended. */
    isOver: () => records.length > 0
  }
})

type Calling = Effect.Success<ReturnType<typeof calling>>

const begun = opening + chunk({ content: "Take the" })

describe("limits of time", () => {
  interface Case {
    readonly name: string
    readonly timeouts: Timeouts
    readonly stream?: boolean
    /** What happens first. */
    readonly before?: (call: Calling) => void
    /** What keeps happening every 50 ms. */
    readonly meanwhile?: (call: Calling) => void
    /** The last moment at which nothing has happened yet, and how it then ends. */
    readonly lasts: number
    readonly message: string
    readonly committed?: true
    readonly cancelled?: true
  }
  const ping = ({ says }: Calling) => says(": ping\n\n")
  const talk = ({ says }: Calling) => says(chunk({ content: " path" }))
  const opened = ({ head, says }: Calling) => (head(), says(opening))
  const started = ({ head, says }: Calling) => (head(), says(begun))
  const stalledReader = (call: Calling) => {
    call.told.reads = false
    started(call)
  }
  const cases: ReadonlyArray<Case> = [
    {
      name: "connect, while there is no connection",
      timeouts: { connect: "200 millis", headers: "300 millis" },
      before: ({ open }) => (open.sent = false),
      lasts: 199,
      message: "no connection within 0.2 s"
    },
    {
      name: "headers, from the beginning",
      timeouts: { connect: "100 millis", headers: "300 millis", idle: "50 millis" },
      lasts: 299,
      message: "no answer within 0.3 s"
    },
    {
      name: "first token, before the head",
      timeouts: { firstToken: "250 millis", headers: "300 millis" },
      lasts: 249,
      message: "no content within 0.25 s"
    },
    {
      name: "first token, although the provider is alive",
      timeouts: { firstToken: "300 millis", idle: "100 millis" },
      before: opened,
      meanwhile: ping,
      lasts: 299,
      message: "no content within 0.3 s"
    },
    {
      name: "idle, before the content",
      timeouts: { idle: "100 millis" },
      before: opened,
      lasts: 99,
      message: "the answer stalled for 0.1 s"
    },
    {
      name: "idle, after the commit",
      timeouts: { firstToken: "50 millis", idle: "100 millis" },
      before: started,
      lasts: 99,
      message: "the answer stalled for 0.1 s",
      committed: true
    },
    {
      name: "idle, of a whole answer",
      timeouts: { firstToken: "50 millis", idle: "100 millis" },
      stream: false,
      before: ({ head, says }) => (head("application/json"), says('{"id":')),
      lasts: 99,
      message: "the answer stalled for 0.1 s"
    },
    {
      name: "idle, of a reader",
      timeouts: { firstToken: "50 millis", idle: "100 millis" },
      before: stalledReader,
      lasts: 99,
      message: "the caller took nothing for 0.1 s",
      committed: true,
      cancelled: true
    },
    {
      name: "total, before the head",
      timeouts: { total: "200 millis" },
      lasts: 199,
      message: "the answer was not whole within 0.2 s"
    },
    {
      name: "total, before the content",
      timeouts: { total: "200 millis" },
      before: opened,
      meanwhile: ping,
      lasts: 199,
      message: "the answer was not whole within 0.2 s"
    },
    {
      name: "total, after the commit",
      timeouts: { total: "200 millis", idle: "100 millis" },
      before: started,
      meanwhile: talk,
      lasts: 199,
      message: "the answer was not whole within 0.2 s",
      committed: true
    },
    {
      name: "total, while the reader takes nothing",
      timeouts: { total: "200 millis", idle: "none" },
      before: stalledReader,
      lasts: 199,
      message: "the caller took longer than 0.2 s",
      committed: true,
      cancelled: true
    }
  ]
  for (const { before = () => {}, cancelled, committed = false, lasts, meanwhile, message, name, stream = true, timeouts } of cases) {
    it.effect(name, () =>
      Effect.gen(function* () {
        const call = yield* calling(policyOf("one", { timeouts: { headers: "10 seconds", idle: "10 seconds", ...timeouts } }), { stream })
        before(call)
        for (let at = 50; at <= lasts; at += 50) {
          yield* TestClock.adjust(50)
          meanwhile?.(call)
        }
        yield* TestClock.adjust(lasts % 50)
        assert.isFalse(call.isOver())
        assert.isFalse(call.open.aborted)
        // The look is taken every ten milliseconds, and what has come is noticed at the next one.
        yield* TestClock.adjust(21)
        assert.isTrue(call.isOver())
        const attempt = yield* call.ended
        assert.deepInclude(attempt.failure, { class: cancelled === true ? "cancelled" : "timeout", message })
        assert.strictEqual(attempt.committed, committed)
        assert.isTrue(call.open.aborted)
        // A request that was never sent costs nothing.
        assert.strictEqual(attempt.nanoDollars, name.startsWith("connect") ? 0 : undefined)
        assert.strictEqual(call.told.ends, 1)
        if (!committed) return
        assert.match(
          call.told.text,
          new RegExp(`data: \\{"error":\\{.*"code":"${cancelled === true ? "cancelled" : "upstream_timeout"}".*\\}\\}\\n\\n$`)
        )
        assert.notInclude(call.told.text, "[DONE]")
      })
    )
  }

  it.effect("none: three minutes are not too long", () =>
    Effect.gen(function* () {
      const call = yield* calling(policyOf("one", { timeouts: { headers: "none", idle: "none" } }))
      yield* TestClock.adjust("3 minutes")
      call.head()
      call.says(begun)
      yield* TestClock.adjust("3 minutes")
      assert.isFalse(call.isOver())
      call.says(closing, done)
      assert.strictEqual((yield* call.ended).failure, undefined)
    })
  )

  it.effect("the provider is not late while its reader takes nothing", () =>
    Effect.gen(function* () {
      const call = yield* calling(policyOf("one", { commit: "headers", timeouts: { firstToken: "100 millis", idle: "1 seconds" } }))
      call.told.reads = false
      call.head()
      call.says(opening)
      assert.isTrue(call.open.paused)
      yield* TestClock.adjust("500 millis")
      assert.isFalse(call.isOver())
      call.told.reads = true
      call.told.resume!()
      assert.isFalse(call.open.paused)
      yield* TestClock.adjust("20 millis")
      assert.strictEqual((yield* call.ended).failure?.message, "no content within 0.1 s")
    })
  )

  /** What a provider does, and when, in milliseconds; each at least ten after the last. */
  const course = fc.record({
    connects: fc.integer({ min: 1, max: 30 }),
    answers: fc.integer({ min: 1, max: 30 }),
    pieces: fc.array(fc.record({ after: fc.integer({ min: 1, max: 30 }), content: fc.boolean() }), { minLength: 1, maxLength: 5 })
  })
  const limit = fc.option(fc.integer({ min: 1, max: 80 }), { nil: undefined, freq: 2 })
  const limits = fc.record({ connect: fc.integer({ min: 1, max: 80 }), headers: limit, firstToken: limit, idle: limit, total: limit })

  it("whatever the provider does, the first limit to pass ends it, and none that has not passed", { timeout: 60_000 }, async () => {
    const ended = { late: 0, well: 0 }
    await fc.assert(
      fc.asyncProperty(course, limits, fc.constantFrom<Commit>("headers", "first-content", "whole"), async (course, limits, commit) => {
        // All in tens of milliseconds, and what happens five after a look.
        const at = (tens: number) => tens * 10 - 5
        let time = course.connects
        const happens: Array<{ readonly at: number; readonly what: "connect" | "head" | "content" | "ping" | "done" }> = [
          { at: at(time), what: "connect" },
          { at: at((time += course.answers)), what: "head" }
        ]
        for (const { after, content } of course.pieces) happens.push({ at: at((time += after)), what: content ? "content" : "ping" })
        happens.push({ at: at(time + 1), what: "done" })

        const millis = (tens: number | undefined) => (tens === undefined ? Infinity : tens * 10)
        const firstOf = (type: string) => happens.find(({ what }) => what === type)?.at ?? Infinity
        const content = Math.min(firstOf("content"), firstOf("done"))
        const deadlines = [
          ...(firstOf("connect") > millis(limits.connect) ? [millis(limits.connect)] : []),
          ...(firstOf("head") > millis(limits.headers) ? [millis(limits.headers)] : []),
          ...(content > millis(limits.firstToken) ? [millis(limits.firstToken)] : []),
          ...(firstOf("done") > millis(limits.total) ? [millis(limits.total)] : []),
          ...happens.slice(2).flatMap((next, i) => {
            const quiet = happens[i + 1]!.at
            return next.at - quiet > millis(limits.idle) ? [quiet + millis(limits.idle)] : []
          })
        ]
        const expected = Math.min(Infinity, ...deadlines)
        // What comes in the moment between a limit and the look after it may still be in time.
        fc.pre(happens.every((one) => one.at < expected || one.at > expected + 20))

        const limitOf = (tens: number | undefined) => (tens === undefined ? "none" : (`${tens * 10} millis` as const))
        const timeouts: Timeouts = {
          connect: `${limits.connect * 10} millis`,
          headers: limitOf(limits.headers),
          firstToken: limitOf(limits.firstToken),
          idle: limitOf(limits.idle),
          total: limitOf(limits.total)
        }
        const end = await Effect.runPromise(
          Effect.gen(function* () {
            const call = yield* calling(policyOf("one", { commit, timeouts }))
            call.open.sent = false
            let now = 0
            const until = Effect.fnUntraced(function* (to: number) {
              while (now < to && !call.open.aborted) {
                yield* TestClock.adjust(5)
                now += 5
              }
            })
            for (const { at, what } of happens) {
              yield* until(at)
              if (call.open.aborted) break
              if (what === "connect") call.open.sent = true
              else if (what === "head") call.head()
              else if (what === "content") call.says(chunk({ content: "word" }))
              else if (what === "ping") call.says(": ping\n\n")
              else call.says(closing + done)
            }
            assert.isTrue(call.isOver())
            const attempt = yield* call.ended
            return { late: attempt.failure?.class, now }
          }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
        )
        assert.strictEqual(end.late, expected === Infinity ? undefined : "timeout")
        if (expected === Infinity) ended.well++
        else {
          assert.isAtLeast(end.now, expected)
          assert.isAtMost(end.now, expected + 20)
          ended.late++
        }
      }),
      { numRuns: 300 }
    )
    assert.isAbove(ended.late, 100)
    assert.isAbove(ended.well, 30)
  })
})

describe("a claim that is lost", () => {
  const answers: ReadonlyArray<readonly [name: string, target: "one" | "claude", stream: boolean, act: (call: Calling) => void]> = [
    ["a forwarded stream", "one", true, ({ head, says }) => (head(), says(chunks("Take", " the left").join("")))],
    [
      "a forwarded answer",
      "one",
      false,
      ({ ends, head, says }) => (head("application/json"), says(JSON.stringify(completion("left"))), ends())
    ],
    [
      "a translated stream",
      "claude",
      true,
      ({ head, says }) => (head(), says(messageStart + textBlock(0, "Take", " the left") + messageEnd("end_turn")))
    ],
    [
      "a translated answer",
      "claude",
      false,
      ({ ends, head, says }) => (head("application/json"), says(JSON.stringify(message([{ type: "text", text: "left" }]))), ends())
    ]
  ]
  for (const commit of ["headers", "first-content", "whole"] as const) {
    for (const [name, target, stream, act] of answers) {
      it.effect(`${name}, ${commit}: nothing reaches the caller`, () =>
        Effect.gen(function* () {
          let asked = 0
          const claim = (told: Told): boolean => {
            assert.isFalse(told.begun)
            asked++
            return false
          }
          const call = yield* calling(policyOf(target, { commit }), { claim, stream })
          act(call)
          const attempt = yield* call.ended
          assert.strictEqual(asked, 1)
          assert.deepInclude(attempt.failure, { class: "cancelled" })
          assert.isFalse(attempt.committed)
          assert.isTrue(call.open.aborted)
          // All there is is the error for a call that nobody has answered.
          assert.notInclude(call.told.text, "left")
          assert.strictEqual(call.told.headers["content-type"], "application/json")
        })
      )
      it.effect(`${name}, ${commit}: one that is won is asked for once`, () =>
        Effect.gen(function* () {
          let asked = 0
          const claim = (told: Told): boolean => {
            assert.isFalse(told.begun)
            return ++asked === 1
          }
          const call = yield* calling(policyOf(target, { commit }), { claim, stream })
          act(call)
          assert.strictEqual((yield* call.ended).failure, undefined)
          assert.strictEqual(asked, 1)
          assert.include(call.told.text, "left")
        })
      )
    }
  }

  it.effect("is not asked for by an attempt that fails before it", () =>
    Effect.gen(function* () {
      const call = yield* calling(policyOf("one", { commit: "whole" }), { claim: () => assert.fail("nobody should ask") })
      call.head()
      call.says(begun)
      call.ends()
      assert.deepInclude((yield* call.ended).failure, { class: "stream-cut" })
    })
  )
})

describe("what a caller gets of a stream", () => {
  /** A stream in events, of the caller's dialect or Claude's, with its words. */
  const dialects = {
    one: (words: ReadonlyArray<string>) => chunks(...words),
    claude: (words: ReadonlyArray<string>) => [
      messageStart,
      claude("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
      claude("ping"),
      ...words.map((text) => claude("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
      claude("content_block_stop", { index: 0 }),
      messageEnd("end_turn")
    ]
  }
  /** What goes wrong, and the class of it. */
  const faults: ReadonlyArray<readonly [name: string, act: (call: Calling) => void, kind: string]> = [
    ["cut", ({ open }) => open.sink.failed({ kind: "connection", message: "reset" }), "stream-cut"],
    ["ended", ({ ends }) => ends(), "stream-cut"],
    ["error", ({ says }) => says(event({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } }, "error")), "any"],
    ["broken", ({ says }) => says("event: message_delta\ndata: {\n\n"), "malformed"]
  ]
  const script = fc.record({
    target: fc.constantFrom("one" as const, "claude" as const),
    commit: fc.constantFrom<Commit>("headers", "first-content", "whole"),
    words: fc.array(fc.constantFrom("Take", " the", " left", " path 日本"), { minLength: 1, maxLength: 4 }),
    fault: fc.option(fc.record({ which: fc.constantFrom(...faults), after: fc.nat(9) }), { nil: undefined }),
    cuts: fc.array(fc.nat(2_000), { maxLength: 6 })
  })

  it("is all of it, or what came before the fault and the fault, or nothing", { timeout: 60_000 }, async () => {
    const seen: Record<string, number> = {}
    await fc.assert(
      fc.asyncProperty(script, async ({ commit, cuts, fault, target, words }) => {
        const events = dialects[target](words)
        const until = fault === undefined ? events.length : Math.min(fault.after, events.length - 1)
        const bytes = encoder.encode(events.slice(0, until).join(""))
        const said = events.slice(0, until).join("")
        const hasContent = words.some((word) => said.includes(JSON.stringify(word)))
        const { attempt, told } = await Effect.runPromise(
          Effect.gen(function* () {
            const call = yield* calling(policyOf(target, { commit }))
            call.head()
            assert.strictEqual(call.told.begun, commit === "headers")
            let from = 0
            for (const to of [...new Set(cuts.map((cut) => Math.min(cut, bytes.length))), bytes.length].toSorted((a, b) => a - b)) {
              if (to > from) call.open.sink.data(bytes.subarray(from, to))
              from = to
              if (commit === "whole" && fault !== undefined) assert.isFalse(call.told.begun)
            }
            fault?.which[1](call)
            return { attempt: yield* call.ended, told: call.told }
          }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
        )
        const committed = fault === undefined || commit === "headers" || (commit === "first-content" && hasContent)
        const text = [...told.text.matchAll(/"content":("(?:[^"\\]|\\.)*")/g)].map(([, word]) => JSON.parse(word!) as string).join("")
        const key = `${commit} ${fault === undefined ? "well" : committed ? "after" : "before"}`
        seen[key] = (seen[key] ?? 0) + 1

        assert.strictEqual(told.ends, 1)
        assert.strictEqual(attempt.committed, committed)
        assert.strictEqual(attempt.firstTokenMillis === undefined, !hasContent && fault !== undefined)
        if (fault === undefined) {
          assert.strictEqual(attempt.failure, undefined)
          assert.strictEqual(text, words.join(""))
          assert.isTrue(told.text.endsWith("data: [DONE]\n\n"))
          return
        }
        const [, , expected] = fault.which
        if (expected === "any") assert.isDefined(attempt.failure)
        else assert.strictEqual(String(attempt.failure?.class), expected)
        assert.notInclude(told.text, "[DONE]")
        if (committed) {
          assert.strictEqual(told.headers["content-type"], "text/event-stream; charset=utf-8")
          assert.match(told.text, /data: \{"error":\{[^\n]*\}\}\n\n$/)
          assert.isTrue(words.join("").startsWith(text))
        } else {
          // The call has failed, and says so as any other does.
          assert.strictEqual(told.headers["content-type"], "application/json")
          assert.strictEqual(text, "")
        }
      }),
      { numRuns: 1_500 }
    )
    for (const commit of ["headers", "first-content", "whole"]) {
      assert.isAbove(seen[`${commit} well`] ?? 0, 20)
      if (commit !== "headers") assert.isAbove(seen[`${commit} before`] ?? 0, 20)
      if (commit !== "whole") assert.isAbove(seen[`${commit} after`] ?? 0, 20)
    }
  })

  it.effect("held whole: one that is too large is not held, and what is not asked for is hidden still", () =>
    Effect.gen(function* () {
      const large = yield* calling(policyOf("one", { commit: "whole" }), { maxAnswerBytes: 2_000 })
      large.head()
      large.says(opening, ...Array.from({ length: 10 }, () => chunk({ content: "x".repeat(300) })))
      assert.deepInclude((yield* large.ended).failure, { class: "malformed", message: "the answer is larger than 2000 bytes" })
      const held = yield* calling(policyOf("one", { commit: "whole" }))
      held.head()
      held.says(...chunks("Take", " the left"))
      const attempt = yield* held.ended
      assert.strictEqual(held.told.text, opening + chunk({ content: "Take" }) + chunk({ content: " the left" }) + closing + done)
      assert.strictEqual(attempt.usage?.outputTokens, 7)
    })
  )

  it.effect("of a stream that goes on without content is not held for ever", () =>
    Effect.gen(function* () {
      const call = yield* calling(policyOf("one"))
      call.head()
      call.says(opening, ...Array.from({ length: 9 }, () => `: ${"x".repeat(1_000_000)}\n\n`))
      assert.deepInclude((yield* call.ended).failure, { class: "malformed", message: "the stream has no content, but goes on and on" })
      assert.isTrue(call.open.aborted)
      assert.notInclude(call.told.text, "xxx")
    })
  )

  it.effect("held whole: the first token is the provider's", () =>
    Effect.gen(function* () {
      const call = yield* calling(policyOf("one", { commit: "whole" }))
      yield* TestClock.adjust("1 seconds")
      call.head()
      call.says(opening)
      yield* TestClock.adjust("1 seconds")
      call.says(chunk({ content: "Take" }))
      yield* TestClock.adjust("3 seconds")
      call.says(closing + done)
      const attempt = yield* call.ended
      assert.strictEqual(attempt.firstTokenMillis, 2_000)
      assert.strictEqual(attempt.endedMillis, 5_000)
    })
  )

  it.effect("committed with its head: what keeps it alive flows in every dialect, until there is content", () =>
    Effect.gen(function* () {
      const own = yield* calling(policyOf("one", { commit: "headers" }))
      own.head()
      own.says(": ping\n\n")
      assert.strictEqual(own.told.text, ": ping\n\n")
      const other = yield* calling(policyOf("claude", { commit: "headers" }))
      other.head()
      other.says(": ping\n\n", claude("ping"))
      assert.strictEqual(other.told.text, ": alive\n\n: alive\n\n")
      other.says(messageStart + textBlock(0, "Take") + claude("ping"))
      const text = other.told.text
      other.says(claude("ping"), ": ping\n\n")
      assert.strictEqual(other.told.text, text)
    })
  )

  it.effect("a whole answer commits when it is whole, whatever the route says", () =>
    Effect.gen(function* () {
      for (const commit of ["headers", "first-content", "whole"] as const) {
        const call = yield* calling(policyOf("one", { commit }), { stream: false })
        call.head("application/json")
        call.says('{"id":')
        assert.isFalse(call.told.begun)
        call.ends()
        assert.deepInclude((yield* call.ended).failure, { class: "malformed" })
      }
    })
  )

  it.effect("what is no stream commits nothing with its head", () =>
    Effect.gen(function* () {
      for (const [type, status] of [
        ["application/json", 200],
        ["text/event-stream", 503]
      ] as const) {
        const call = yield* calling(policyOf("one", { commit: "headers" }))
        call.head(type, status)
        call.says(JSON.stringify({ error: { message: "busy", type: "server_error" } }))
        assert.isFalse(call.told.begun)
        call.ends()
        assert.isFalse((yield* call.ended).committed)
      }
    })
  )
})
