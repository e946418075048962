/**
 * Fetching on a caller's word: what comes, and everything that must not.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Scope } from "effect"
import * as Live from "../../runtime/Fetch.ts"
import { Fetch, type FetchLimits, isAllowed } from "../../src/Fetch.ts"
import { afterwards } from "../http/support.ts"

const png = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64")

const serve = async (answer: (request: IncomingMessage, response: ServerResponse) => void) => {
  const server = createServer(answer)
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
  afterwards(() => {
    server.closeAllConnections()
    return new Promise((resolve) => void server.close(resolve))
  })
  return `localhost:${(server.address() as AddressInfo).port}`
}

/** What fetching `url` comes to. By default the loopback address counts as public here, or there would be nobody to ask. */
const get = async (
  url: string,
  limits: Partial<FetchLimits> & Pick<FetchLimits, "hosts">,
  permits: ((address: string) => boolean) | undefined = (address) => address === "127.0.0.1" || address === "::1"
) => {
  const scope = Scope.makeUnsafe()
  afterwards(() => Effect.runPromise(Scope.close(scope, Exit.void)))
  const services = await Effect.runPromise(Layer.buildWithScope(Live.layer(permits === undefined ? {} : { permits }), scope))
  return Effect.runPromise(
    Fetch.pipe(
      Effect.flatMap((fetch) => Effect.result(fetch(new URL(url), { maxBytes: 1_000, timeoutMillis: 2_000, ...limits }))),
      Effect.provideContext(services)
    )
  )
}

const failed = (result: Awaited<ReturnType<typeof get>>): string => (result._tag === "Failure" ? result.failure : "it came")

describe("what comes", () => {
  it("is the bytes with their type, and where the server does not say it what they look like", async () => {
    const host = await serve((request, response) => {
      assert.isUndefined(request.headers.cookie)
      assert.isUndefined(request.headers.authorization)
      response.setHeader("content-type", request.url === "/said" ? "image/png; x=1" : "application/octet-stream").end(png)
    })
    for (const path of ["/said", "/unsaid"]) {
      const result = await get(`http://${host}${path}`, { hosts: [host] })
      assert.deepStrictEqual(result._tag === "Success" && result.success, { mediaType: "image/png", data: png.toString("base64") })
    }
  })

  it("is followed through redirects, a few and on allowed hosts only", async () => {
    const other = await serve((_, response) => response.setHeader("content-type", "image/png").end(png))
    const host = await serve((request, response) => {
      const left = Number(request.url?.slice(1))
      const location = request.url === "/away" || left === 0 ? `http://${other}/x` : `/${left - 1}`
      response.writeHead(302, { location }).end()
    })
    assert.strictEqual((await get(`http://${host}/2`, { hosts: [host, other] }))._tag, "Success")
    assert.include(failed(await get(`http://${host}/3`, { hosts: [host, other] })), "redirected more than 3 times")
    assert.include(failed(await get(`http://${host}/away`, { hosts: [host] })), "is not a host that the policy lets be fetched from")
  })
})

describe("what must not", () => {
  it("a private address, however it is spelt, before anything is sent", async () => {
    let asked = 0
    const host = await serve((_, response) => {
      asked++
      response.end(png)
    })
    const port = host.split(":")[1]!
    assert.include(failed(await get(`http://${host}/`, { hosts: [host] }, Live.isPublic)), "not public")
    for (const name of ["127.0.0.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"]) {
      const url = new URL(`http://${name}:${port}/`)
      assert.include(failed(await get(url.href, { hosts: [url.host] }, Live.isPublic)), "not a public address", name)
    }
    assert.strictEqual(asked, 0)
  })

  it("a redirect to one", async () => {
    const host = await serve((_, response) => response.writeHead(302, { location: "http://169.254.169.254/latest" }).end())
    assert.include(failed(await get(`http://${host}/`, { hosts: [host, "169.254.169.254"] })), "not a public address")
  })

  it("what is too large, said or unsaid, what is late, what is no media, what fails", async () => {
    const host = await serve((request, response) => {
      switch (request.url) {
        case "/said":
          return response.writeHead(200, { "content-type": "image/png", "content-length": 5_000 }).end(Buffer.alloc(5_000))
        case "/unsaid":
          response.writeHead(200, { "content-type": "image/png" })
          for (let i = 0; i < 5; i++) response.write(Buffer.alloc(400))
          return response.end()
        case "/page":
          return response.setHeader("content-type", "text/html").end("<p>")
        case "/empty":
          return response.setHeader("content-type", "image/png").end()
        case "/gone":
          return response.writeHead(404).end()
        default:
          return undefined
      }
    })
    const said = async (path: string, limits: Partial<FetchLimits> = {}) =>
      failed(await get(`http://${host}${path}`, { hosts: [host], ...limits }))
    assert.include(await said("/said"), "larger than 1000 bytes")
    assert.include(await said("/unsaid"), "larger than 1000 bytes")
    assert.include(await said("/page"), "`text/html`")
    assert.include(await said("/empty"), "empty")
    assert.include(await said("/gone"), "404")
    assert.include(await said("/never", { timeoutMillis: 100 }), "within 0.1 s")
  })
})

describe("public addresses", () => {
  const table: ReadonlyArray<readonly [address: string, yes: boolean]> = [
    ["8.8.8.8", true],
    ["172.15.0.1", true],
    ["172.16.0.1", false],
    ["192.168.1.1", false],
    ["100.64.0.1", false],
    ["0.0.0.0", false],
    ["224.0.0.1", false],
    ["255.255.255.255", false],
    ["2606:4700::1111", true],
    ["::1", false],
    ["::ffff:8.8.8.8", false],
    ["64:ff9b::7f00:1", false],
    ["2002:7f00:1::", false],
    ["2001:db8::1", false],
    ["fe80::1", false],
    ["fd00::1", false],
    ["localhost", false]
  ]
  for (const [address, yes] of table) it(`${address}: ${yes ? "yes" : "no"}`, () => assert.strictEqual(Live.isPublic(address), yes))
})

describe("allowed hosts", () => {
  const table: ReadonlyArray<readonly [url: string, entry: string, yes: boolean]> = [
    ["https://img.test/a", "img.test", true],
    ["https://IMG.test/a", "img.test", true],
    ["https://img.test:8443/a", "img.test", false],
    ["https://img.test:8443/a", "img.test:8443", true],
    ["https://a.img.test/", "*.img.test", true],
    ["https://img.test/", "*.img.test", false],
    ["https://evilimg.test/", "*.img.test", false],
    ["https://img.test.evil/", "img.test", false],
    ["https://user@img.test/", "img.test", false],
    ["ftp://img.test/", "img.test", false],
    ["file:///etc/passwd", "img.test", false]
  ]
  for (const [url, entry, yes] of table)
    it(`${url} by ${entry}: ${yes ? "yes" : "no"}`, () => assert.strictEqual(isAllowed(new URL(url), [entry]), yes))
})
