/** Time for the reference: processes that wait for a moment or for each other, taken in the order in which they are due. Nothing of Effect, its fibres or its clock. */

/** What a thread waits for. */
type Pause = { readonly at: number } | { readonly until: () => boolean }
/** What stops wherever it waits. */
export type Process<A> = Generator<Pause, A, void>

/** A process that has begun. */
export interface Thread<A> {
  readonly process: Process<A>
  over: boolean
  result: A | undefined
  pause: Pause | undefined
  /** Among those that wait for one moment, who began to wait first. */
  order: number
}

/** Threads that take turns: whoever waits for what is so already, else whoever is due first. */
export class Timeline {
  now: number
  #order = 0
  readonly #threads: Array<Thread<unknown>> = []

  constructor(now: number) {
    this.now = now
  }

  /** Runs a thread to where it waits for what is not so yet. */
  #step(thread: Thread<unknown>): void {
    do {
      const { done, value } = thread.process.next()
      if (thread.over) return
      if (done === true) Object.assign(thread, { over: true, result: value })
      else Object.assign(thread, { pause: value, order: this.#order++ })
    } while (!thread.over && "until" in thread.pause! && thread.pause.until())
  }

  /** Begins a process, which runs at once to where it waits first. */
  begin<A>(process: Process<A>): Thread<A> {
    const thread: Thread<A> = { process, over: false, result: undefined, pause: undefined, order: 0 }
    this.#threads.push(thread as Thread<unknown>)
    this.#step(thread as Thread<unknown>)
    return thread
  }

  /** Gives a thread up. */
  stop(thread: Thread<unknown> | undefined): void {
    if (thread === undefined || thread.over) return
    thread.over = true
    thread.process.return(undefined as never)
  }

  /** Lets one of those that wait go on. */
  #next(waiting: ReadonlyArray<Thread<unknown>>): void {
    const ready = waiting.find(({ pause }) => "until" in pause! && pause.until())
    if (ready !== undefined) return this.#step(ready)
    const due = waiting.flatMap((thread) => ("at" in thread.pause! ? [{ thread, at: thread.pause.at }] : []))
    due.sort((a, b) => a.at - b.at || a.thread.order - b.thread.order)
    this.now = Math.max(this.now, due[0]!.at)
    this.#step(due[0]!.thread)
  }

  #waiting(): ReadonlyArray<Thread<unknown>> {
    return this.#threads.filter(({ over }) => !over)
  }

  /** Lets time pass until a process has come to its end. */
  run<A>(process: Process<A>): A {
    const main = this.begin(process)
    while (!main.over) this.#next(this.#waiting())
    return main.result!
  }

  /** Lets time pass until whatever has begun has come to its end. */
  finish(): void {
    for (let waiting = this.#waiting(); waiting.length > 0; waiting = this.#waiting()) this.#next(waiting)
  }
}
