/**
 * A process that owns a ledger and does not live long. `hold FILE` opens it and waits. `churn FILE SEED` draws and posts until it is killed, and writes
 * the number of each draw that was answered, as soon as it was.
 */
import { writeSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import { lifeOf, makeStore, Model } from "./support.ts"

const [mode, file, seed] = process.argv.slice(2) as [string, string, string | undefined]
const say = (line: string): void => void writeSync(1, `${line}\n`)

try {
  const store = await makeStore({ file, commitMillis: 1 })
  await store.open()
  say("open")
  if (mode === "hold") setInterval(() => undefined, 1_000)
  else {
    const model = new Model()
    const next = lifeOf(Number(seed), model)
    for (let number = 1; ; number++) {
      const act = next()
      if (act._tag === "Post") {
        model.post(act.posting)
        store.post(act.posting)
        // Now and then postings go to the disk without a draw.
        if (number % 7 === 0) await sleep(2)
      } else {
        const expected = JSON.stringify(model.draw(act.wants))
        const drawn = JSON.stringify(await store.draw(act.wants))
        say(drawn === expected ? String(number) : `wrong at ${number}: ${drawn} and not ${expected}`)
      }
    }
  }
} catch (error) {
  say(`failed: ${(error as Error).message}`)
  process.exit(1)
}
