import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { bucketOf, murmur3 } from "../src/Murmur3.ts"
import { bucket, murmur3Bytes } from "./reference.ts"

const utf8 = new TextEncoder()

describe("murmur3", () => {
  it("the textbook version passes the verification of smhasher", () => {
    // https://github.com/aappleby/smhasher, `VerificationTest` in KeysetTest.cpp: the hashes of the keys {}, {0}, {0,1}, … under seeds 256, 255, … in a
    // row, little-endian, hashed again under seed 0.
    const hashes = new Uint8Array(256 * 4)
    const view = new DataView(hashes.buffer)
    for (let i = 0; i < 256; i++)
      view.setUint32(
        i * 4,
        murmur3Bytes(
          Uint8Array.from({ length: i }, (_, j) => j),
          256 - i
        ),
        true
      )
    assert.strictEqual(murmur3Bytes(hashes), 0xb0f57ee3)
  })

  it("equals the textbook version over the UTF-8 bytes of any text, lone surrogates included", () => {
    const unit = fc.oneof(
      fc.integer({ min: 0, max: 0x7f }),
      fc.integer({ min: 0x80, max: 0x7ff }),
      fc.integer({ min: 0x800, max: 0xffff }),
      fc.integer({ min: 0xd7f0, max: 0xe00f }),
      fc.constantFrom(0, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xfeff, 0xfffd, 0xffff)
    )
    const text = fc.array(unit, { maxLength: 24 }).map((units) => String.fromCharCode(...units))
    fc.assert(
      fc.property(
        fc.oneof(text, fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" })),
        fc.nat({ max: 0xffff_ffff }),
        (text, seed) => {
          assert.strictEqual(murmur3(text, seed), murmur3Bytes(utf8.encode(text), seed))
        }
      ),
      { numRuns: 20_000 }
    )
  })

  // As implementations of MurmurHash3_x86_32 publish them with their tests.
  const vectors: ReadonlyArray<readonly [text: string, seed: number, hash: number]> = [
    ["", 0, 0],
    ["", 1, 0x514e28b7],
    ["", 0xffffffff, 0x81f16f39],
    ["\0\0\0\0", 0, 0x2362f9de],
    ["aaaa", 0x9747b28c, 0x5a97808a],
    ["aaa", 0x9747b28c, 0x283e0130],
    ["aa", 0x9747b28c, 0x5d211726],
    ["a", 0x9747b28c, 0x7fa09ea6],
    ["abcd", 0x9747b28c, 0xf0478627],
    ["abc", 0x9747b28c, 0xc84a62dd],
    ["ab", 0x9747b28c, 0x74875592],
    ["Hello, world!", 0x9747b28c, 0x24884cba],
    ["Hello, world!", 0, 0xc0363e43],
    ["Hello, world!", 1234, 0xfaf6cdb3],
    ["ππππππππ", 0x9747b28c, 0xd58063c1],
    ["The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2fa826cd],
    ["The quick brown fox jumps over the lazy dog", 0, 0x2e4ff723],
    ["abc", 0, 0xb3dd93fa],
    ["abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 0, 0xee925b90],
    ["a".repeat(256), 0x9747b28c, 0x37405bdc],
    ["test", 0, 0xba6bd213],
    ["test", 0x9747b28c, 0x704b81dc],
    ["hello, world", 0, 0x149bbb7f],
    ["hello", 0, 0x248bfa47],
    ["19 Jan 2038 at 3:14:07 AM", 0, 0xe31e8a70],
    ["The quick brown fox jumps over the lazy dog.", 0, 0xd5c48bfc]
  ]
  for (const [text, seed, hash] of vectors) {
    it(`${JSON.stringify(text.slice(0, 20))} under ${seed} is ${hash.toString(16)}`, () => {
      assert.strictEqual(murmur3(text, seed), hash)
      assert.strictEqual(murmur3Bytes(utf8.encode(text), seed), hash)
    })
  }
})

describe("bucketOf", () => {
  it("equals the reference, and lies below the total", () => {
    const text = fc.string({ unit: "binary", maxLength: 12 })
    fc.assert(
      fc.property(text, text, fc.constantFrom(100, 10_000), (salt, unit, total) => {
        const assigned = bucketOf(salt, unit, total)
        assert.strictEqual(assigned, bucket(salt, unit, total))
        assert.isTrue(Number.isInteger(assigned) && assigned >= 0 && assigned < total)
        assert.strictEqual(bucketOf(salt, unit, total), assigned)
      }),
      { numRuns: 5_000 }
    )
  })

  it("a bucket of a hundred is the hundred buckets of ten thousand that it stands for", () => {
    for (let i = 0; i < 20_000; i++)
      assert.strictEqual(bucketOf("s", `unit-${i}`, 100), Math.floor(bucketOf("s", `unit-${i}`, 10_000) / 100))
  })

  it("salt and unit do not run into each other", () => {
    assert.notStrictEqual(bucketOf("ab", "c", 10_000), bucketOf("a", "bc", 10_000))
  })

  // Changing one of these moves callers of every policy to another arm.
  const pinned: ReadonlyArray<readonly [salt: string, unit: string, of100: number, of10000: number]> = [
    ["s", "", 93, 9306],
    ["next-1", "alice", 53, 5304],
    ["next-1", "bob", 83, 8321],
    ["next-2", "alice", 97, 9713],
    ["sonnet-5", "req_1", 96, 9675],
    ["sonnet-5", "user@example.com", 63, 6334],
    ["größe", "日本語", 28, 2827],
    ["s", "😀", 10, 1040],
    ["s", "\ud800", 83, 8362],
    ["s", "\ufffd", 83, 8362]
  ]
  it("keeps every unit where it has always been", () => {
    assert.deepStrictEqual(
      pinned.map(([salt, unit]) => [salt, unit, bucketOf(salt, unit, 100), bucketOf(salt, unit, 10_000)]),
      pinned.map((row) => [...row])
    )
  })

  it("honours weights over 200,000 units, and two salts assign independently", () => {
    const units = 200_000
    const total = 10_000
    const weights = [1, 49, 450, 2_000, 7_500]
    const counts = weights.map(() => 0)
    let both = 0
    for (let i = 0; i < units; i++) {
      let left = bucketOf("weights", `user-${i}`, total)
      const arm = weights.findIndex((weight) => (left -= weight) < 0)
      counts[arm]!++
      if (bucketOf("one", `user-${i}`, 100) < 50 && bucketOf("other", `user-${i}`, 100) < 50) both++
    }
    // Five standard deviations of a binomial: a fair hash exceeds them once in 1.7 million arms.
    const bound = (share: number) => 5 * Math.sqrt(units * share * (1 - share))
    for (const [i, weight] of weights.entries()) {
      const share = weight / total
      assert.approximately(counts[i]!, units * share, bound(share), `weight ${weight}`)
    }
    assert.approximately(both, units / 4, bound(1 / 4))
  })
})
