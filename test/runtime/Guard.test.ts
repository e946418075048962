/** Who may knock, as tables. */
import type { IncomingHttpHeaders } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { checkBody, checkOrigin, isLoopback, requestIdOf, secretOf, tooLarge } from "../../runtime/Guard.ts"

const max = 1_000

describe("isLoopback", () => {
  const yes = ["localhost", "127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "::FFFF:127.0.0.1"]
  const no = [
    "",
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "192.168.1.1",
    "128.0.0.1",
    "1127.0.0.1",
    "127.0.0.1.example",
    "127.0.0.1 ",
    "127.0.0",
    "localhost.example",
    "localhost.",
    "mylocalhost",
    "::1%eth0",
    "::2",
    "[::1]",
    "2130706433",
    "0x7f000001",
    "127.0.0.1\n"
  ]
  for (const host of yes) it(`${host}: yes`, () => assert.isTrue(isLoopback(host)))
  for (const host of no) it(`${JSON.stringify(host)}: no`, () => assert.isFalse(isLoopback(host)))
})

describe("checkOrigin", () => {
  const table: ReadonlyArray<readonly [headers: IncomingHttpHeaders, code: string | undefined]> = [
    [{ host: "127.0.0.1:8080" }, undefined],
    [{ host: "127.0.0.1" }, undefined],
    [{ host: "localhost:8080" }, undefined],
    [{ host: "LocalHost:1" }, undefined],
    [{ host: "[::1]:8080" }, undefined],
    [{ host: "[::1]" }, undefined],
    [{ host: "[::ffff:127.0.0.1]:8080" }, undefined],
    [{}, "foreign_host"],
    [{ host: "" }, "foreign_host"],
    [{ host: "evil.example" }, "foreign_host"],
    [{ host: "evil.example:8080" }, "foreign_host"],
    [{ host: "localhost.evil.example" }, "foreign_host"],
    [{ host: "127.0.0.1.evil.example:80" }, "foreign_host"],
    [{ host: "127.0.0.1:80@evil.example" }, "foreign_host"],
    [{ host: "evil.example#127.0.0.1" }, "foreign_host"],
    [{ host: "[::1].evil.example" }, "foreign_host"],
    [{ host: "[::2]:80" }, "foreign_host"],
    [{ host: "0.0.0.0:8080" }, "foreign_host"],
    [{ host: "127.0.0.1:port" }, "foreign_host"],
    [{ host: "localhost", origin: "http://localhost:3000" }, undefined],
    [{ host: "localhost", origin: "https://127.0.0.1" }, undefined],
    [{ host: "localhost", origin: "http://[::1]:5173" }, undefined],
    [{ host: "localhost", origin: "null" }, "foreign_origin"],
    [{ host: "localhost", origin: "" }, "foreign_origin"],
    [{ host: "localhost", origin: "https://evil.example" }, "foreign_origin"],
    [{ host: "localhost", origin: "https://localhost.evil.example" }, "foreign_origin"],
    [{ host: "localhost", origin: "https://localhost@evil.example" }, "foreign_origin"],
    [{ host: "localhost", origin: "file://" }, "foreign_origin"],
    [{ host: "localhost", origin: "chrome-extension://abcdef" }, "foreign_origin"],
    [{ host: "localhost", origin: "not a url" }, "foreign_origin"],
    [{ host: "evil.example", origin: "http://localhost" }, "foreign_host"]
  ]
  for (const [headers, code] of table) {
    it(`${JSON.stringify(headers)}: ${code ?? "answered"}`, () => {
      const refused = checkOrigin(headers)
      assert.strictEqual(refused?.code, code)
      // The second time, when it may be remembered, the answer is the same.
      assert.deepStrictEqual(checkOrigin(headers), refused)
      if (refused !== undefined) assert.strictEqual(refused.status, 403)
    })
  }

  it("does not repeat a long name at length", () => {
    assert.isBelow(checkOrigin({ host: "x".repeat(10_000) })!.message.length, 300)
    assert.isBelow(checkOrigin({ host: "localhost", origin: `https://${"x".repeat(10_000)}` })!.message.length, 300)
  })
})

describe("checkBody", () => {
  const json = "application/json"
  const table: ReadonlyArray<readonly [headers: IncomingHttpHeaders, code: string | undefined]> = [
    [{ "content-type": json }, undefined],
    [{ "content-type": "Application/JSON" }, undefined],
    [{ "content-type": `${json};charset=utf-8` }, undefined],
    [{ "content-type": `${json} ; charset="UTF-8"` }, undefined],
    [{ "content-type": `${json}; profile=x` }, undefined],
    [{ "content-type": json, "content-encoding": "identity" }, undefined],
    [{ "content-type": json, "content-length": "1000" }, undefined],
    [{ "content-type": json, "content-length": "1001" }, "body_too_large"],
    [{ "content-type": json, "content-length": "99999999999999999999" }, "body_too_large"],
    [{}, "unsupported_media_type"],
    [{ "content-type": "" }, "unsupported_media_type"],
    [{ "content-type": "text/plain" }, "unsupported_media_type"],
    [{ "content-type": "text/plain; application/json" }, "unsupported_media_type"],
    [{ "content-type": `${json}p` }, "unsupported_media_type"],
    [{ "content-type": `${json}, text/plain` }, "unsupported_media_type"],
    [{ "content-type": "application/x-www-form-urlencoded" }, "unsupported_media_type"],
    [{ "content-type": "multipart/form-data; boundary=x" }, "unsupported_media_type"],
    [{ "content-type": `${json}; charset=latin1` }, "unsupported_media_type"],
    [{ "content-type": `${json}; charset="utf-16"` }, "unsupported_media_type"],
    [{ "content-type": json, "content-encoding": "gzip" }, "unsupported_media_type"],
    [{ "content-type": json, "content-encoding": "gzip, identity" }, "unsupported_media_type"]
  ]
  for (const [headers, code] of table) {
    it(`${JSON.stringify(headers)}: ${code ?? "read"}`, () => assert.strictEqual(checkBody(headers, max)?.code, code))
  }

  it("has the status of its code", () => {
    assert.strictEqual(checkBody({}, max)?.status, 415)
    assert.deepInclude(tooLarge(max), { status: 413, code: "body_too_large", message: "the body is larger than 1000 bytes" })
  })
})

describe("secretOf", () => {
  const conflict = { code: "conflicting_keys", status: 400 }
  const table: ReadonlyArray<readonly [headers: IncomingHttpHeaders, secret: string | undefined | typeof conflict]> = [
    [{}, undefined],
    [{ authorization: "Bearer abc" }, "abc"],
    [{ authorization: "bearer   abc" }, "abc"],
    [{ authorization: "Bearer a b" }, "a b"],
    [{ authorization: "Basic abc" }, undefined],
    [{ authorization: "Bearer" }, undefined],
    [{ "x-api-key": "abc" }, "abc"],
    [{ "x-goog-api-key": "abc" }, "abc"],
    [{ "api-key": "abc" }, "abc"],
    [{ "x-turnout-key": "abc" }, "abc"],
    [{ "x-bf-vk": "abc" }, "abc"],
    [{ authorization: "Bearer abc", "x-api-key": "abc", "x-turnout-key": "abc" }, "abc"],
    [{ authorization: "Basic xyz", "x-api-key": "abc" }, "abc"],
    [{ authorization: "Bearer abc", "x-api-key": "abd" }, conflict],
    [{ "x-turnout-key": "abc", "api-key": "abd" }, conflict],
    [{ authorization: "Bearer abc", "x-api-key": "Bearer abc" }, conflict],
    [{ "x-turnout-key": ["abc", "abd"] }, conflict]
  ]
  for (const [headers, secret] of table) {
    it(JSON.stringify(headers), () => {
      const found = secretOf(headers)
      if (secret !== conflict) assert.strictEqual(found, secret as string | undefined)
      else {
        assert.deepInclude(found as object, conflict)
        assert.notMatch(JSON.stringify(found), /ab[cd]/)
      }
    })
  }
})

describe("requestIdOf", () => {
  const good = ["a", "req_1-2.3", "x".repeat(128), `{"a":1}`, "a,b"]
  const bad = ["", "x".repeat(129), "a b", "a\nb", "a\r\nx: y", "a\tb", "caf\u00e9", "a\u0000", "a\u007f"]
  for (const id of good) it(`${JSON.stringify(id)} is kept`, () => assert.strictEqual(requestIdOf({ "x-request-id": id }), id))
  for (const id of bad) it(`${JSON.stringify(id)} is not`, () => assert.strictEqual(requestIdOf({ "x-request-id": id }), undefined))
  it("several are none", () => assert.strictEqual(requestIdOf({ "x-request-id": ["a", "b"] }), undefined))
  it("none is none", () => assert.strictEqual(requestIdOf({}), undefined))
})
