/**
 * One simulated request: all that the pipeline is given of a call, in one object, because half a million of them are made.
 *
 * It answers what routing asks of a request (`Ask`) from a row of traffic, is its own parsed body without bytes, and a reply that nobody reads.
 */
import type { Ask, Media } from "../Ask.ts"
import type { Api, Incoming, Parsed } from "../Call.ts"
import type { CallerDialect } from "../Dialect.ts"
import type { GatewayError } from "../GatewayError.ts"
import type { Scan } from "../JsonScan.ts"
import type { Reply } from "../Reply.ts"
import type { Row } from "./Traffic.ts"

const unused = (): never => {
  throw new Error("a simulated request has no body that could be read or translated")
}
const dialect: CallerDialect = {
  name: "chat.completions",
  decodeRequest: unused,
  overrides: unused,
  modelField: "model",
  wantsUsage: unused,
  usageWish: unused,
  encodeAnswer: unused,
  streamEncoder: unused
}

/** The API that simulated callers speak: the usual one, with errors that nobody reads. */
export const api: Api = {
  name: "chat.completions",
  operation: "generate",
  dialect,
  parse: unused,
  errorBody: () => "{}",
  errorEvent: () => ""
}

const nothing: Readonly<Record<string, unknown>> = {}
const noBytes = new Uint8Array(0)
const noScan: Scan = { members: [], duplicate: undefined, close: 0 }

export class Arrival implements Incoming, Parsed, Ask, Reply {
  /** Counted from 0 over all traffic: its luck depends on it. */
  readonly number: number
  readonly operation = "generate"
  readonly sealed = false
  readonly row: Row
  readonly id: string
  readonly secret: string | undefined
  readonly model: string
  begun = false

  constructor(number: number, row: Row, secret: string | undefined, model: string) {
    this.number = number
    this.row = row
    this.id = row.details.id ?? `sim-${number}`
    this.secret = secret
    this.model = model
  }

  get api(): Api {
    return api
  }
  parse(): Parsed | GatewayError {
    return this
  }
  get reply(): Reply {
    return this
  }

  get ask(): Ask {
    return this
  }
  get json(): Readonly<Record<string, unknown>> {
    return nothing
  }
  get bytes(): Uint8Array {
    return noBytes
  }
  get scan(): Scan {
    return noScan
  }

  get stream(): boolean {
    return this.row.details.stream
  }
  inputBytes(): number {
    return this.row.details.inputBytes ?? this.row.inputTokens * 4
  }
  maxOutputTokens(): number | null {
    return this.row.details.maxOutputTokens
  }
  messages(): number {
    return this.row.details.messages
  }
  needsTools(): boolean {
    return this.row.details.needs.includes("tools")
  }
  needsVision(): boolean {
    return this.row.details.needs.includes("vision")
  }
  needsStructuredOutput(): boolean {
    return this.row.details.needs.includes("structuredOutput")
  }
  hasFormat(): boolean {
    return this.needsStructuredOutput()
  }
  needsReasoning(): boolean {
    return this.row.details.needs.includes("reasoning")
  }
  metadata(name: string): string | null {
    const { metadata } = this.row.details
    return Object.hasOwn(metadata, name) ? metadata[name]! : null
  }
  header(name: string): string | null {
    const { headers } = this.row.details
    return Object.hasOwn(headers, name) ? headers[name]! : null
  }
  choices(): number {
    return this.row.details.choices
  }
  media(): Media {
    return this.row.details.media
  }
  extras(): ReadonlyArray<string> {
    return this.row.details.extras
  }

  begin(): void {
    this.begun = true
  }
  write(): boolean {
    return true
  }
  end(): void {}
  onDrain(resume: () => void): void {
    resume()
  }
}
