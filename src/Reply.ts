/**
 * The way back to the caller, as the pipeline sees it: a head, then bytes. The HTTP runtime implements it over a socket, tests and the simulator over memory.
 */
export interface Reply {
  /** Whether the head has left, after which failover is over. */
  readonly begun: boolean
  /** Sends status and headers; `headers` holds names and values in turn. */
  readonly begin: (status: number, headers: ReadonlyArray<string>) => void
  /** Hands bytes on; false asks the sender to wait for `onDrain`, since the reader is slow. */
  readonly write: (chunk: Uint8Array | string) => boolean
  readonly end: (chunk?: Uint8Array | string) => void
  /** Calls `resume` once, when there is room again. */
  readonly onDrain: (resume: () => void) => void
}

/** A reply that nobody reads. */
export const silent = (): Reply => {
  let begun = false
  return {
    get begun() {
      return begun
    },
    begin: () => {
      begun = true
    },
    write: () => true,
    end: () => {},
    onDrain: (resume) => resume()
  }
}
