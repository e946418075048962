/** The ledger's file when things go wrong: processes that are killed, threads that die, disks that are full. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import type { Told } from "../../runtime/ledgerFile/Messages.ts"
import { LedgerStoreDown } from "../../src/LedgerStore.ts"
import { dollars } from "../../src/Text.ts"
import { seed } from "../seed.ts"
import {
  canMount,
  child,
  disk,
  first,
  folder,
  granted,
  lastThread,
  openAt,
  refusal,
  reportOf,
  second,
  third,
  want,
  whyOf
} from "./ledgerFile/harness.ts"
import { accounts, act, contentsOf, lifeOf, Model, nameOf, randomOf, type Store, until } from "./ledgerFile/support.ts"

describe("kill -9", () => {
  /** The file of a child that was killed holds a state that its life has passed through, and none from before its last answer. */
  const killed = async (seed: number): Promise<void> => {
    const file = folder.file()
    const victim = child("churn", file, String(seed))
    await victim.says(2 + Math.floor(randomOf(seed)() * 150))
    await victim.kill()
    const answered = victim.lines.slice(1).map(Number)
    assert.isFalse(answered.some(Number.isNaN), victim.lines.join("\n"))
    const found = contentsOf(file)

    const model = new Model()
    const next = lifeOf(seed, model)
    const step = (): boolean => {
      const act = next()
      if (act._tag === "Draw") model.draw(act.wants)
      else model.post(act.posting)
      return act._tag === "Draw"
    }
    for (let number = 1; number <= answered.at(-1)!; number++) step()
    const states = [JSON.stringify(Object.entries(model.contents()).sort())]
    // Up to the draw that it waited for, or, where its line was lost with it, the one behind that.
    for (let draws = 0; draws < 2;) {
      if (step()) draws++
      states.push(JSON.stringify(Object.entries(model.contents()).sort()))
    }
    assert.include(states, JSON.stringify(Object.entries(found).sort()))

    const store = await openAt(file)
    const reports = accounts.flatMap((account) => {
      const { booked, settled } = found[nameOf(account)] ?? { booked: 0, settled: 0 }
      return booked > settled ? [reportOf(account, dollars(booked - settled))] : []
    })
    assert.deepStrictEqual([...store.told].sort(), reports.sort())
    await store.close()
  }

  for (const pair of [1, 2, 3]) {
    it(`leaves everything that was answered, and nothing that never was (${pair})`, async () => {
      await Promise.all([killed(seed + 2 * pair), killed(seed + 2 * pair + 1)])
    })
  }
})

describe("a thread that dies", () => {
  /** Does one thing to both: a draw either is in the model too or has failed. */
  const step = async (store: Store, model: Model, random: () => number): Promise<void> => {
    const next = act(model, random(), random() < 0.25 ? 0 : 0.4 + random() * 0.6, random() * 0.7, random())
    if (next._tag === "Post") {
      model.post(next.posting)
      return store.post(next.posting)
    }
    // Wide limits, so that what a lost draw holds for a moment changes no other.
    const wants = next.wants.map((want) => ({ ...want, limitNanoDollars: 9e15 }))
    const drawn = await store.draw(wants).catch((error: unknown) => assert.instanceOf(error, LedgerStoreDown))
    if (drawn !== undefined) assert.deepStrictEqual(granted(drawn), granted(model.draw(wants)))
  }
  const works = (store: Store) => store.told.filter((line) => line.includes("again")).length
  const troubles = (store: Store) => store.told.filter((line) => line.includes("CANNOT WRITE")).length

  it("at any moment loses nothing and applies nothing twice", async () => {
    const file = folder.file()
    const store = await openAt(file)
    const model = new Model()
    const random = randomOf(seed)
    for (let kill = 1; kill <= 6; kill++) {
      const thread = lastThread()
      const steps = Math.floor(random() * 40)
      for (let i = 0; i < steps; i++) await step(store, model, random)
      // In the middle of a write, most of the time.
      store.post({ account: first, settledNanoDollars: 0, bookedNanoDollars: 0 })
      const waiting = store.draw([want(second, 0)]).catch(() => undefined)
      void thread.terminate()
      await waiting
      for (let i = 0; i < 10; i++) await step(store, model, random)
      await until(() => works(store) === kill, `recovery ${kill}`)
    }
    await store.close()
    assert.deepStrictEqual(contentsOf(file), model.contents())
    assert.strictEqual(troubles(store), 6)
    assert.match(store.told[0]!, /^ledger {4}CANNOT WRITE: the thread of the ledger has ended; nothing is lost/)
    assert.strictEqual(store.told[1], `ledger    writes to \`${file}\` again`)
  })

  it("after a commit whose answer is lost applies it once and gives back what nobody waits for", async () => {
    const file = folder.file()
    const store = await openAt(file)
    assert.deepStrictEqual(granted(await store.draw([want(first, 100, 100)])), [100])
    const thread = lastThread()
    const emit = thread.emit
    let swallowed = 0
    thread.emit = (event: string, ...args: Array<unknown>): boolean => {
      if (event !== "message" || (args[0] as Told)._tag !== "Written") return emit.call(thread, event, ...args)
      swallowed++
      void thread.terminate()
      return true
    }
    store.post({ account: first, settledNanoDollars: 60, bookedNanoDollars: -30 })
    assert.strictEqual(await whyOf(store.draw([want(first, 100, 100), want(second, 5)])), "the thread of the ledger has ended")
    assert.strictEqual(swallowed, 1)
    store.post({ account: first, settledNanoDollars: 4, bookedNanoDollars: 0 })
    await until(() => works(store) === 1, "recovery")
    const sent: Array<Told> = []
    lastThread().on("message", (told: Told) => sent.push(told))
    store.post({ account: first, settledNanoDollars: 6, bookedNanoDollars: 0 })
    await until(() => sent.length > 0, "a commit without a draw")
    assert.deepStrictEqual(granted(await store.draw([want(first, 100, 100)])), [30])
    await store.close()
    assert.deepStrictEqual(contentsOf(file), { [nameOf(first)]: { booked: 100, settled: 70 } })
  })

  it("of an error of its own takes nobody with it", async () => {
    const store = await openAt(folder.file())
    lastThread().postMessage(null)
    await until(() => works(store) === 1, "recovery")
    assert.match(store.told[0]!, /^ledger {4}CANNOT WRITE: the thread of the ledger has failed: TypeError: /)
    assert.deepStrictEqual(granted(await store.draw([want(first, 1)])), [1])
  })

  it("with nothing to write is started again and writes what comes", async () => {
    const store = await openAt(folder.file())
    void lastThread().terminate()
    await until(() => works(store) === 1, "recovery")
    const said: Array<Told> = []
    lastThread().on("message", (told: Told) => said.push(told))
    store.post({ account: first, settledNanoDollars: 1, bookedNanoDollars: 1 })
    await until(() => said.length > 0, "a commit")
    assert.deepStrictEqual(said, [{ _tag: "Written", number: 1, answers: [] }])
  })

  it("and whose file another gateway takes in between goes on when that has stopped, and never counts too little", async () => {
    const file = folder.file()
    const store = await openAt(file)
    await store.draw([want(first, 100), want(second, 7)])
    store.post({ account: first, settledNanoDollars: 10, bookedNanoDollars: 0 })
    await store.draw([want(third, 1)])
    let taken: DatabaseSync | undefined
    lastThread().once("exit", () => {
      taken = new DatabaseSync(file)
      taken.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; UPDATE account SET settled = booked; COMMIT")
    })
    void lastThread().terminate()
    await until(() => troubles(store) === 1, "trouble")
    store.post({ account: first, settledNanoDollars: 20, bookedNanoDollars: -70 })
    store.post({ account: second, settledNanoDollars: 9, bookedNanoDollars: 2 })
    let why = ""
    const look = async () => (why = await whyOf(store.draw([want(first, 1)])))
    for (let tries = 0; tries < 500 && !why.startsWith("another gateway is using"); tries++) await look().then(() => sleep(5))
    assert.include(why, "another gateway is using")
    taken!.close()
    await until(() => works(store) === 1, "recovery")
    await store.close()
    // What counted as spent for the other gateway stays spent; what came on top of it comes on top.
    assert.deepStrictEqual(contentsOf(file), {
      [nameOf(first)]: { booked: 120, settled: 120 },
      [nameOf(second)]: { booked: 16, settled: 16 },
      [nameOf(third)]: { booked: 1, settled: 1 }
    })
    assert.strictEqual(troubles(store), 1)
  })

  it("while it stops is started again to write what is left", async () => {
    const file = folder.file()
    const store = await openAt(file, { commitMillis: 60_000 })
    store.post({ account: first, settledNanoDollars: 5, bookedNanoDollars: 5 })
    void lastThread().terminate()
    await store.close()
    assert.deepStrictEqual(contentsOf(file), { [nameOf(first)]: { booked: 5, settled: 5 } })
    assert.strictEqual(lastThread().threadId, -1)
  })
})

describe("a folder that cannot be written", () => {
  it.skipIf(process.getuid?.() === 0 && !canMount)("is named", async () => {
    const readOnly = disk(512)
    const path = readOnly?.path ?? dirname(folder.file())
    if (readOnly === undefined) {
      mkdirSync(path)
      chmodSync(path, 0o555)
    } else readOnly.remount("ro")
    const file = join(path, "ledger.sqlite")
    assert.strictEqual(
      await refusal(file),
      `\`${file}\` cannot be opened for writing (${readOnly === undefined ? "EACCES" : "EROFS"}): let this process write it and its folder, or name another folder with \`--data\``
    )
    assert.match(
      await refusal(join(path, "data", "ledger.sqlite")),
      /data\/ledger.sqlite` cannot be .+; name another folder with `--data`$|, or name another folder with `--data`$/
    )
  })

  it.skipIf(!canMount)("because a ledger in it may only be read", async () => {
    const { path, remount } = disk(512)!
    const file = join(path, "ledger.sqlite")
    await (await openAt(file)).close()
    remount("ro")
    assert.match(
      await refusal(file),
      /cannot be opened for writing \(EROFS\): let this process write it and its folder, or name another folder with `--data`$/
    )
  })
})

describe.skipIf(!canMount)("a full disk", () => {
  /** Posts to ever more accounts until the disk is full. */
  const fill = async (store: Store, model: Model): Promise<void> => {
    for (let i = 0; store.told.length === 0; i++) {
      const account = { ...first, scope: `key ${i} ${"x".repeat(400)}` }
      const posting = { account, settledNanoDollars: 3, bookedNanoDollars: 5 }
      model.post(posting)
      store.post(posting)
      if (i % 20 === 19) await store.draw([want(second, 0)]).catch(() => undefined)
    }
  }

  it("loses nothing, refuses draws, and says so once", async () => {
    const { path, remount } = disk(400)!
    const file = join(path, "ledger.sqlite")
    const store = await openAt(file)
    const model = new Model()
    assert.deepStrictEqual(granted(await store.draw([want(third, 9)])), granted(model.draw([want(third, 9)])))
    await fill(store, model)
    const why = `the disk of \`${file}\` is full: make room on it, or name another folder with \`--data\``
    assert.deepStrictEqual(store.told, [
      `ledger    CANNOT WRITE: ${why}; nothing is lost while the gateway runs, and calls that need more of a budget are refused until it can`
    ])
    assert.strictEqual(await whyOf(store.draw([want(third, 1)])), why)
    for (let i = 0; i < 1_000; i++) {
      const posting = { account: accounts[i % 3]!, settledNanoDollars: i, bookedNanoDollars: i }
      model.post(posting)
      store.post(posting)
    }
    // Time for a few more tries.
    const tries: Array<Told> = []
    lastThread().on("message", (told: Told) => tries.push(told))
    await until(() => tries.length >= 3, "three more tries")
    assert.isTrue(tries.every(({ _tag }) => _tag === "Failed"))
    assert.strictEqual(store.told.length, 1)
    remount("size=8m")
    await until(() => store.told.length === 2, "room")
    assert.strictEqual(store.told[1], `ledger    writes to \`${file}\` again`)
    assert.deepStrictEqual(await store.draw([want(third, 1)]), model.draw([want(third, 1)]))
    await store.close()
    assert.deepStrictEqual(contentsOf(file), model.contents())
  })

  it("at the stop is said with what is lost", async () => {
    const { path } = disk(400)!
    const store = await openAt(join(path, "ledger.sqlite"), { stopMillis: 300 })
    await fill(store, new Model())
    const lost = store.told.length
    store.post({ account: first, settledNanoDollars: 7_000_000_000, bookedNanoDollars: -2_000_000_000 })
    await store.close()
    assert.strictEqual(store.told.length, lost + 1)
    assert.match(
      store.told.at(-1)!,
      /^ledger {4}STOPPED BEFORE EVERYTHING WAS WRITTEN \(the disk of .+\): \$7\.00000\d+ that is settled and stays booked, \$2 that is not spent and stays booked, \$0\.00000\d+ that is spent and NOT BOOKED$/
    )
  })

  it("from the start is named", async () => {
    const { path } = disk(64)!
    const file = join(path, "ledger.sqlite")
    writeFileSync(join(path, "filler"), Buffer.alloc(60 * 1024))
    assert.strictEqual(await refusal(file), `the disk of \`${file}\` is full: make room on it, or name another folder with \`--data\``)
  })
})
