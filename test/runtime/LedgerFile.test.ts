/** The ledger's file with its real thread: what it answers, what it keeps, whose it is, and what it leaves alone. */
import { once } from "node:events"
import { existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as fc from "fast-check"
import type { Ask, Told } from "../../runtime/ledgerFile/Messages.ts"
import type { Drawn } from "../../src/LedgerStore.ts"
import {
  child,
  first,
  folder,
  granted,
  lastThread,
  openAt,
  refusal,
  reportOf,
  second,
  storeAt,
  third,
  threads,
  want,
  whyOf
} from "./ledgerFile/harness.ts"
import { act, contentsOf, Model, nameOf, until } from "./ledgerFile/support.ts"

describe("draws and postings", () => {
  it("agree with a plain model, in order, and so does the file", async () => {
    const unit = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(unit, unit, unit, unit, fc.boolean()), { maxLength: 60 }), async (moves) => {
        const file = folder.file()
        const store = await openAt(file)
        const model = new Model()
        const answers: Array<Promise<ReadonlyArray<Drawn>>> = []
        const expected: Array<ReadonlyArray<Drawn>> = []
        for (const [at, kind, size, other, waits] of moves) {
          const next = act(model, at, kind, size, other)
          if (next._tag === "Post") {
            model.post(next.posting)
            store.post(next.posting)
          } else {
            expected.push(model.draw(next.wants))
            answers.push(store.draw(next.wants))
            if (waits) await answers.at(-1)
          }
        }
        assert.deepStrictEqual(await Promise.all(answers), expected)
        await store.close()
        assert.deepStrictEqual(contentsOf(file), model.contents())
        assert.deepStrictEqual(store.told, [])
      }),
      { numRuns: 25 }
    )
  })

  it("a draw sees what was posted before it and not what is posted after it", async () => {
    const store = await openAt(folder.file(), { commitMillis: 60_000 })
    const waiting = store.draw([want(second, 1)])
    const one = store.draw([want(first, 100, 100)])
    store.post({ account: first, settledNanoDollars: 0, bookedNanoDollars: -40 })
    const two = store.draw([want(first, 100, 100)])
    store.post({ account: first, settledNanoDollars: 7, bookedNanoDollars: 7 })
    await waiting
    assert.deepStrictEqual([await one, await two].map(granted), [[100], [40]])
    assert.deepStrictEqual(await store.draw([want(first, 100, 110), want(first, 1, 110), want(first, 0, 110), want(first, 5, 50)]), [
      { grantedNanoDollars: 3, bookedNanoDollars: 110 },
      { grantedNanoDollars: 0, bookedNanoDollars: 110 },
      { grantedNanoDollars: 0, bookedNanoDollars: 110 },
      { grantedNanoDollars: 0, bookedNanoDollars: 110 }
    ])
  })

  it("amounts are exact beyond nine million dollars, and what is no amount is not posted", async () => {
    const file = folder.file()
    const store = await openAt(file)
    assert.deepStrictEqual(granted(await store.draw([want(first, 9e15, 9_007_199_254_740_991)])), [9e15])
    assert.deepStrictEqual(granted(await store.draw([want(first, 9e15, 9_007_199_254_740_991)])), [7_199_254_740_991])
    assert.deepStrictEqual(granted(await store.draw([want(second, 9e15, Infinity), want(second, 9e15, Infinity)])), [9e15, 9e15])
    for (const amount of [NaN, 0.5, Infinity]) store.post({ account: first, settledNanoDollars: amount, bookedNanoDollars: 0 })
    assert.strictEqual(store.told.filter((line) => line.includes("A POSTING IS LOST, its amounts are not whole")).length, 3)
    assert.deepStrictEqual(granted(await store.draw([want(third, 1)])), [1])
  })

  it("postings reach the disk without a draw, those to one account as one", async () => {
    const store = await openAt(folder.file())
    const said: Array<unknown> = []
    const thread = lastThread()
    const send = thread.postMessage
    thread.postMessage = (ask: Ask) => void (said.push(ask), send.call(thread, ask))
    thread.on("message", (told: Told) => said.push(told))
    const twins = [
      { budget: "a", scope: "bc", window: "2026-11" },
      { budget: "ab", scope: "c", window: "2026-11" }
    ]
    for (let i = 0; i < 1_000; i++) store.post({ account: { ...twins[i % 2]! }, settledNanoDollars: 1, bookedNanoDollars: 2 })
    await until(() => said.length === 2, "a commit")
    const postings = twins.map((account) => ({ account, settledNanoDollars: 500, bookedNanoDollars: 1_000 }))
    assert.deepStrictEqual(said, [
      { _tag: "Write", number: 1, steps: [{ _tag: "Post", postings }] },
      { _tag: "Written", number: 1, answers: [] }
    ])
  })

  it("what a draw has booked for nobody is given back before others draw", async () => {
    const file = folder.file()
    const store = await openAt(file)
    const gone = Effect.runFork(store.effect.draw([want(first, 100, 100)]))
    const waits = store.draw([want(first, 100, 100)])
    await Effect.runPromise(Fiber.interrupt(gone))
    assert.deepStrictEqual(granted(await waits), [100])
    await store.close()
    assert.deepStrictEqual(contentsOf(file), { [nameOf(first)]: { booked: 100, settled: 0 } })
  })
})

describe("opening", () => {
  it("makes nothing before it, and the folder with its `.gitignore` then", async () => {
    const file = folder.file()
    const before = threads.length
    const store = await storeAt(file)
    assert.match(await whyOf(store.draw([want(first, 1)])), /^the ledger is not open$/)
    assert.isFalse(existsSync(dirname(file)))
    assert.strictEqual(threads.length, before)
    const [one, two] = await Promise.all([store.open(), store.open()])
    assert.deepStrictEqual([one, two, await store.open()], [[], [], []])
    assert.strictEqual(threads.length, before + 1)
    assert.strictEqual(readFileSync(join(dirname(file), ".gitignore"), "utf8"), "*\n")
    await store.close()
    assert.deepStrictEqual(readdirSync(dirname(file)).sort(), [".gitignore", "ledger.sqlite"])
    assert.strictEqual(lastThread().threadId, -1)
    assert.match(await whyOf(store.draw([want(first, 1)])), /^the ledger is not open$/)
    store.post({ account: first, settledNanoDollars: 1, bookedNanoDollars: 1 })
    assert.match(store.told.join(), /^ledger {4}A POSTING IS LOST, it came after the stop/)
  })

  it("leaves a folder that was there as it is", async () => {
    const file = folder.file()
    mkdirSync(dirname(file))
    await (await openAt(file)).close()
    assert.deepStrictEqual(readdirSync(dirname(file)), ["ledger.sqlite"])
  })

  it("gives the accounts whose window may still run", async () => {
    const file = folder.file()
    const store = await openAt(file)
    const [year, month, day] = new Date().toISOString().slice(0, 10).split("-") as [string, string, string]
    const windows = [`${year}-${month}`, `${year}-${month}-${day}`, "2025-11", "2025-11-22", "2099-01", "2099-01-01"]
    const drawn = windows.map((window) => want({ ...first, window }, 5))
    await store.draw(drawn)
    for (const { account } of drawn) store.post({ account, settledNanoDollars: 5, bookedNanoDollars: 0 })
    await store.close()
    const again = await storeAt(file)
    const opened = await again.open()
    assert.deepStrictEqual(
      opened.map(({ account: { window } }) => window).sort(),
      windows.filter((window) => !window.startsWith("2025")).sort()
    )
    assert.deepStrictEqual(opened[0], { account: { ...first, window: `${year}-${month}` }, bookedNanoDollars: 5 })
    assert.deepStrictEqual(again.told, [])
  })

  it("reports what was booked and not settled, to the nano-dollar, once, and counts it as spent", async () => {
    const file = folder.file()
    const store = await openAt(file)
    await store.draw([want(first, 2_000_000_001), want(second, 9_007_199_254_740_991, Infinity), want(third, 50)])
    store.post({ account: first, settledNanoDollars: 766_000_000, bookedNanoDollars: 0 })
    store.post({ account: third, settledNanoDollars: 20, bookedNanoDollars: -30 })
    await store.close()
    const again = await openAt(file)
    assert.deepStrictEqual(again.told, [reportOf(second, "$9007199.254740991"), reportOf(first, "$1.234000001")])
    await again.close()
    assert.deepStrictEqual(contentsOf(file), {
      [nameOf(first)]: { booked: 2_000_000_001, settled: 2_000_000_001 },
      [nameOf(second)]: { booked: 9_007_199_254_740_991, settled: 9_007_199_254_740_991 },
      [nameOf(third)]: { booked: 20, settled: 20 }
    })
    assert.deepStrictEqual((await openAt(file)).told, [])
  })

  it("reports the ten greatest and sums up the others", async () => {
    const file = folder.file()
    const store = await openAt(file)
    await store.draw(Array.from({ length: 13 }, (_, i) => want({ ...first, scope: `key ${i}` }, (i + 1) * 1_000_000_001)))
    await store.close()
    const { told } = await openAt(file)
    assert.strictEqual(told.length, 11)
    assert.strictEqual(told[0], reportOf({ ...first, scope: "key 12" }, "$13.000000013"))
    assert.strictEqual(told[10], "ledger    and so do $6.000000006 of 3 more accounts")
  })
})

describe("who owns the file", () => {
  const taken = (file: string) => `another gateway is using \`${file}\`: stop it, or name another folder with \`--data\` for this one`

  it("one store at a time in one process", async () => {
    const file = folder.file()
    const stores = await Promise.all([storeAt(file), storeAt(file), storeAt(file)])
    const outcomes = await Promise.allSettled(stores.map((store) => store.open()))
    assert.deepStrictEqual(outcomes.map(({ status }) => status).sort(), ["fulfilled", "rejected", "rejected"])
    for (const outcome of outcomes) if (outcome.status === "rejected") assert.strictEqual(String(outcome.reason.message), taken(file))
    const owner = stores[outcomes.findIndex(({ status }) => status === "fulfilled")]!
    const other = stores[outcomes.findIndex(({ status }) => status === "rejected")]!
    assert.deepStrictEqual(granted(await owner.draw([want(first, 3)])), [3])
    await owner.close()
    await other.open()
    assert.deepStrictEqual(await other.draw([want(first, 1)]), [{ grantedNanoDollars: 1, bookedNanoDollars: 4 }])
  })

  it("nobody for a moment: whoever waits for a gateway that ends gets it", async () => {
    const file = folder.file()
    await (await openAt(file)).close()
    const owner = new DatabaseSync(file)
    owner.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT")
    const store = await storeAt(file)
    const before = threads.length
    const opened = store.open()
    await until(() => threads.length > before, "a thread")
    await once(lastThread(), "online")
    // Then it has tried once, or else the test is only weaker than it could be.
    await sleep(120)
    owner.close()
    assert.deepStrictEqual(await opened, [])
  })

  it("one process at a time, and none that has been killed", async () => {
    const file = folder.file()
    const holder = child("hold", file)
    await holder.says(1)
    const other = child("hold", file)
    await other.says(1)
    assert.deepStrictEqual([holder.lines, other.lines], [["open"], [`failed: ${taken(file)}`]])
    assert.strictEqual(await refusal(file), taken(file))
    await holder.kill()
    const store = await openAt(file)
    const late = child("hold", file)
    await late.says(1)
    assert.deepStrictEqual(late.lines, [`failed: ${taken(file)}`])
    assert.deepStrictEqual(granted(await store.draw([want(first, 3)])), [3])
  })
})

describe("a file that is not a ledger", () => {
  /** Refuses what `make` leaves, and leaves every byte of it. */
  const refuses = async (make: (file: string) => void): Promise<string> => {
    const file = folder.file()
    mkdirSync(dirname(file))
    make(file)
    const before = readFileSync(file)
    const why = await refusal(file)
    assert.isTrue(before.equals(readFileSync(file)))
    assert.deepStrictEqual(readdirSync(dirname(file)), ["ledger.sqlite"])
    return why.replaceAll(file, "FILE")
  }
  const database = (file: string, sql: string) => {
    const db = new DatabaseSync(file)
    db.exec(sql)
    db.close()
  }
  /** A ledger with more than a page of accounts. */
  const ledger = async (): Promise<Buffer> => {
    const file = folder.file()
    const store = await openAt(file)
    await store.draw(Array.from({ length: 500 }, (_, i) => want({ ...first, scope: `key ${i}` }, i + 1)))
    await store.close()
    return readFileSync(file)
  }
  const foreign = "`FILE` is not a ledger of turnout: move it away, or name another folder with `--data`"

  it("but text, or somebody else's database", async () => {
    assert.strictEqual(await refuses((file) => writeFileSync(file, "What is this?\n".repeat(100))), foreign)
    assert.strictEqual(await refuses((file) => database(file, "CREATE TABLE account (x)")), foreign)
    assert.strictEqual(await refuses((file) => database(file, "PRAGMA application_id = 1; PRAGMA user_version = 1")), foreign)
    assert.strictEqual(await refuses((file) => database(file, "PRAGMA journal_mode = WAL; CREATE TABLE x (y)")), foreign)
  })

  it("of a newer version", async () => {
    const bytes = await ledger()
    const why = await refuses((file) => {
      writeFileSync(file, bytes)
      database(file, "PRAGMA user_version = 2")
    })
    assert.strictEqual(
      why,
      "`FILE` was written by a newer turnout (format 2, and this one knows 1): start that version, or name another folder with `--data`"
    )
  })

  it("any more", async () => {
    const bytes = await ledger()
    assert.isAbove(bytes.length, 5 * 4_096)
    const damaged = /^`FILE` is damaged \(.+\): put a copy of it back, or move it away to count from 0$/
    assert.match(await refuses((file) => writeFileSync(file, Buffer.from(bytes).fill(0xa5, 4_096, 3 * 4_096))), damaged)
    assert.match(
      await refuses((file) => {
        writeFileSync(file, bytes)
        truncateSync(file, 4 * 4_096)
      }),
      damaged
    )
    assert.match(await refuses((file) => writeFileSync(file, Buffer.from(bytes).fill(0xa5, 4_096, 4_196))), damaged)
  })

  it("whose amounts contradict each other", async () => {
    const bytes = await ledger()
    const why = await refuses((file) => {
      writeFileSync(file, bytes)
      database(file, "PRAGMA ignore_check_constraints = 1; UPDATE account SET settled = booked + 1 WHERE scope = 'key 7'")
    })
    assert.strictEqual(
      why,
      "`FILE` is damaged (CHECK constraint failed in account): put a copy of it back, or move it away to count from 0"
    )
  })

  it("but is empty becomes one", async () => {
    const file = folder.file()
    mkdirSync(dirname(file))
    writeFileSync(file, "")
    assert.deepStrictEqual(granted(await (await openAt(file)).draw([want(first, 1)])), [1])
  })

  it("but a folder, or lies in a file", async () => {
    const file = folder.file()
    mkdirSync(file, { recursive: true })
    assert.match(
      await refusal(file),
      /cannot be opened for writing \(unable to open database file\): let this process write it and its folder, or name/
    )
    const inFile = join(dirname(file), "text", "ledger.sqlite")
    writeFileSync(dirname(inFile), "")
    assert.strictEqual(
      await refusal(inFile),
      `\`${inFile}\` cannot be made: a part of its path is a file and not a folder; name another folder with \`--data\``
    )
  })
})
