/** The access log's own writing: gathered, bounded, and given up aloud where nobody can read it any more. */
import { Writable } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { gather } from "../../runtime/AccessLog.ts"
import { until } from "../http/support.ts"

/** A stream that takes each write when it is told to, or fails it. */
const slow = (failure?: Error) => {
  const written: Array<string> = []
  const waiting: Array<() => void> = []
  const stream = new Writable({
    highWaterMark: 1,
    decodeStrings: false,
    write: (text: string, _, done) => {
      written.push(text)
      if (failure === undefined) waiting.push(done)
      else done(failure)
    }
  })
  return { stream, written, waiting }
}
const line = (n: number): string => JSON.stringify({ id: `call-${n}` })

describe("the access log", () => {
  it("gathers lines and writes them in their order", async () => {
    const { stream, written } = slow()
    const { flush, write } = gather(stream, () => assert.fail("there is nothing to complain about"))
    write(line(1))
    write(line(2))
    assert.deepStrictEqual(written, [])
    await until(() => written.length > 0, "the lines")
    write(line(3))
    flush()
    const [two, more] = [`${line(1)}\n${line(2)}\n`, `${line(3)}\n`]
    assert.deepStrictEqual([written[0], stream.writableLength], [two, two.length + more.length])
  })

  it("drops what a reader who has fallen behind would have got, and counts it", () => {
    const { stream, waiting, written } = slow()
    const told: Array<string> = []
    const { flush, write } = gather(stream, (message) => void told.push(message))
    const long = "x".repeat(1024 * 1024)
    for (let i = 0; i < 70; i++) write(long)
    assert.isBelow(stream.writableLength, 66 * 1024 * 1024)
    assert.match(told.at(-1)!, /^the reader of the access log has fallen behind: [1-9] lines dropped so far$/)
    // Whoever catches up gets lines again.
    while (stream.writableLength > 0) waiting.shift()?.()
    write(line(1))
    flush()
    assert.strictEqual(written.at(-1), `${line(1)}\n`)
  })

  it("is given up where it cannot be written any more: said once, and nothing is kept", async () => {
    const { stream, written } = slow(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }))
    const told: Array<string> = []
    const { flush, write } = gather(stream, (message) => void told.push(message))
    write(line(1))
    flush()
    await until(() => told.length > 0, "a complaint")
    for (let i = 0; i < 100_000; i++) write(line(i))
    flush()
    assert.deepStrictEqual([told, written.length], [["the access log cannot be written any more: write EPIPE"], 1])
  })
})
