/** The HTTP client over real sockets: which connections are shared, and how many pools there are. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Layer, Scope } from "effect"
import { Upstream } from "../../src/Upstream.ts"
import { layer } from "../../runtime/Upstream.ts"
import { afterwards, soon, until } from "../http/support.ts"

/** A server that counts its connections, and a client. */
const starting = async () => {
  // Longer than any test: what closes is closed by the client.
  const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
    request.resume()
    request.on("end", () => response.end("{}"))
  })
  let made = 0
  let open = 0
  server.on("connection", (socket) => {
    made++
    open++
    socket.on("close", () => open--)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const scope = Scope.makeUnsafe()
  const { send } = Context.get(await Effect.runPromise(Layer.buildWithScope(layer, scope)), Upstream)
  const stop = () => Effect.runPromise(Scope.close(scope, Exit.void))
  afterwards(async () => {
    await stop()
    server.close()
    server.closeAllConnections()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = (connectMillis: number): Promise<number> =>
    soon(
      new Promise((resolve, reject) => {
        let status = 0
        send(
          { origin, path: "/", headers: [], body: "{}", connectMillis },
          {
            head: (code) => void (status = code),
            data: () => {},
            end: () => resolve(status),
            failed: ({ message }) => reject(new Error(message))
          }
        )
      }),
      "an answer"
    )
  return { ask, stop, made: () => made, open: () => open }
}

describe("connections", () => {
  it("are shared by requests of one origin and one limit, and by no others", async () => {
    const { ask, made } = await starting()
    // A connection is free again a moment after its answer has ended, so that a second may be made.
    for (let i = 0; i < 20; i++) assert.strictEqual(await ask(5_000), 200)
    const before = made()
    assert.isAtMost(before, 2)
    await ask(2_000)
    assert.strictEqual(made(), before + 1)
    for (let i = 0; i < 20; i++) await ask(i % 2 === 0 ? 5_000 : 2_000)
    assert.isAtMost(made(), 4)
  })

  it("do not grow without end when policies come and go with their limits", { timeout: 60_000 }, async () => {
    const { ask, made, open, stop } = await starting()
    for (let i = 0; i < 1_010; i++) await ask(1_000 + i)
    assert.strictEqual(made(), 1_010)
    await until(() => open() <= 1_000, "the oldest to be closed")
    // What was closed is made anew.
    assert.strictEqual(await ask(1_000), 200)
    await stop()
    await until(() => open() === 0, "all to be closed")
  })
})
