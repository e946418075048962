/**
 * MurmurHash3, x86, 32 bit (Austin Appleby, https://github.com/aappleby/smhasher, `MurmurHash3_x86_32`), over the UTF-8 bytes of a text.
 *
 * The bytes are produced on the way, without a buffer, because a split hashes one short text per call. A lone surrogate is encoded as U+FFFD, as `TextEncoder`
 * does.
 */

const c1 = 0xcc9e2d51
const c2 = 0x1b873593

const mixBlock = (h: number, k: number): number => {
  k = Math.imul(k, c1)
  k = (k << 15) | (k >>> 17)
  h ^= Math.imul(k, c2)
  h = (h << 13) | (h >>> 19)
  return (Math.imul(h, 5) + 0xe6546b64) | 0
}

/** The hash of `text` under `seed`, an unsigned 32-bit integer. */
export const murmur3 = (text: string, seed = 0): number => {
  let h = seed | 0
  let block = 0
  let bytes = 0
  // Appends one byte to the block in hand, little-endian, and mixes a full block in.
  const length = text.length
  for (let i = 0; i < length; i++) {
    let code = text.charCodeAt(i)
    if (code < 0x80) {
      block |= code << ((bytes & 3) << 3)
      if ((++bytes & 3) === 0) {
        h = mixBlock(h, block)
        block = 0
      }
      continue
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 && i + 1 < length ? text.charCodeAt(i + 1) : 0
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00)
        i++
      } else {
        code = 0xfffd
      }
    }
    // The UTF-8 bytes of the code point, first byte lowest.
    const size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4
    for (let n = 0; n < size; n++) {
      const shift = 6 * (size - 1 - n)
      const byte = n === 0 ? ((0xf00 >> size) & 0xff) | (code >> shift) : 0x80 | ((code >> shift) & 0x3f)
      block |= byte << ((bytes & 3) << 3)
      if ((++bytes & 3) === 0) {
        h = mixBlock(h, block)
        block = 0
      }
    }
  }
  if ((bytes & 3) !== 0) {
    block = Math.imul(block, c1)
    block = (block << 15) | (block >>> 17)
    h ^= Math.imul(block, c2)
  }
  h ^= bytes
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** The bucket of `unit` among `total`: what a split hashes is its salt, a NUL, which no salt contains, and the unit. */
export const bucketOf = (salt: string, unit: string, total: number): number =>
  Math.floor((murmur3(`${salt}\0${unit}`) * total) / 0x1_0000_0000)
