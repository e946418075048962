/**
 * Lines of a traffic file, read as they are asked for and from the beginning as often as it takes.
 *
 * Synchronous on purpose: the next line is wanted by a simulation in the middle of virtual time, where no Promise may be. What cannot be read again (standard
 * input, a pipe) is kept in memory.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from "node:fs"
import * as Result from "effect/Result"
import { causeOf } from "../Files.ts"

export interface LineFile {
  /** The lines, from the first. */
  readonly lines: () => Iterable<string>
  /** Bytes of one reading; 0 where the file is empty. */
  readonly size: number
  /** Bytes read so far, over all readings. */
  readonly read: () => number
}

const chunkBytes = 1 << 20

/** Standard input and pipes, at once. */
const whole = (text: string): LineFile => {
  let read = 0
  return {
    size: text.length,
    read: () => read,
    lines: function* () {
      let from = 0
      while (from < text.length) {
        const end = text.indexOf("\n", from)
        const until = end === -1 ? text.length : end
        read += until + 1 - from
        yield text.slice(from, until)
        from = until + 1
      }
    }
  }
}

/** Opens `file`, or `stdin`, which has been read, for `-`; a failure says why not. What goes wrong in the middle of reading is thrown. */
export const openLines = (file: string, stdin = ""): Result.Result<LineFile, string> => {
  try {
    if (file === "-") return Result.succeed(whole(stdin))
    const stat = statSync(file)
    if (stat.isDirectory()) return Result.fail(causeOf({ code: "EISDIR" }))
    if (!stat.isFile()) return Result.succeed(whole(readFileSync(file, "utf8")))
    // Now rather than in the middle of a simulation.
    closeSync(openSync(file, "r"))
    let read = 0
    // For all readings: what is read is decoded before anybody else can read.
    const chunk = new Uint8Array(Math.max(1, Math.min(chunkBytes, stat.size)))
    return Result.succeed({
      size: stat.size,
      read: () => read,
      lines: function* () {
        const descriptor = openSync(file, "r")
        try {
          const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
          let rest = ""
          for (;;) {
            const bytes = readSync(descriptor, chunk, 0, chunk.length, null)
            const text = rest + decoder.decode(chunk.subarray(0, bytes), { stream: bytes > 0 })
            let from = 0
            for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n", from)) {
              yield text.slice(from, end)
              from = end + 1
            }
            rest = text.slice(from)
            read += bytes
            if (bytes === 0) break
          }
          if (rest !== "") yield rest
        } finally {
          closeSync(descriptor)
        }
      }
    })
  } catch (error) {
    return Result.fail(causeOf(error))
  }
}
