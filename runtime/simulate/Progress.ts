/**
 * One line on a terminal that says how far a simulation has come. Nowhere but on a terminal, and gone when the report comes.
 */
import { count, type Progress, showSpan } from "../../src/Simulate.ts"

const width = 24

/** The line: a bar, the calls so far, the virtual time, and the speed. `fraction` is undefined where the end is not known. */
export const line = ({ at, calls }: Progress, fraction: number | undefined, elapsedMillis: number): string => {
  const speed = elapsedMillis < 1 ? "" : `, ${count(Math.round((calls / elapsedMillis) * 1_000))} calls a second`
  const said = `${count(calls)} calls, ${showSpan(at)} of virtual time${speed}`
  if (fraction === undefined) return said
  const part = Math.min(1, Math.max(0, fraction))
  const full = Math.round(part * width)
  return `${"█".repeat(full)}${"░".repeat(width - full)} ${String(Math.floor(part * 100)).padStart(3)}%  ${said}`
}

/** What is written to, of a terminal. */
export interface Terminal {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly write: (text: string) => unknown
}

export interface Bar {
  readonly show: (progress: Progress) => void
  /** Takes the line away. */
  readonly clear: () => void
}

const everyMillis = 100
/** A run that ends sooner shows nothing. */
const firstAfterMillis = 400

/** A bar on `terminal`; does nothing where that is none. */
export const makeBar = (terminal: Terminal, fraction: (progress: Progress) => number | undefined, now: () => number): Bar => {
  if (terminal.isTTY !== true) return { show: () => {}, clear: () => {} }
  const begun = now()
  let next = begun + firstAfterMillis
  let shown = false
  return {
    show: (progress) => {
      const time = now()
      if (time < next) return
      next = time + everyMillis
      shown = true
      // A line that wraps could not be overwritten.
      terminal.write(`\r\u001b[2K${line(progress, fraction(progress), time - begun).slice(0, Math.max(20, (terminal.columns ?? 80) - 1))}`)
    },
    clear: () => {
      if (shown) terminal.write("\r\u001b[2K")
      shown = false
    }
  }
}
