/**
 * The one place where layers meet: every service of the pipeline, as the gateway runs it.
 */
import { hash } from "node:crypto"
import { join } from "node:path"
import * as Layer from "effect/Layer"
import * as Exchange from "../src/Exchange.ts"
import { Health } from "../src/Health.ts"
import { Keys } from "../src/Keys.ts"
import { Ledger } from "../src/Ledger.ts"
import type { Secret } from "../src/Policy.ts"
import { Slots } from "../src/Slots.ts"
import { readUtf8 } from "./Bytes.ts"
import * as Fetch from "./Fetch.ts"
import * as LedgerFile from "./LedgerFile.ts"
import * as AccessLog from "./AccessLog.ts"
import * as Tokens from "./Tokens.ts"
import * as Upstream from "./Upstream.ts"

export interface Settings {
  /** The folder for what outlives the process; made when a policy needs it. */
  readonly data: string
  /** Told of what people should know. */
  readonly tell: (message: string) => void
  readonly lines: AccessLog.Lines
  readonly secretOf: (secret: Secret) => string | undefined
  readonly maxAnswerBytes: number
  /** How long a reader may take nothing of an answer that is already whole. */
  readonly stallMillis: number
}

/** The gateway's own limits; those of calls are their policy's. */
export const defaults = {
  ...Exchange.defaults,
  stallMillis: 60_000,
  maxCalls: 4_096,
  maxHeldBytes: 512 * 1024 * 1024,
  maxConnections: 16_384,
  headersMillis: 30_000,
  requestMillis: 120_000
}

export const live = (settings: Settings) =>
  Layer.mergeAll(
    Exchange.layer({ ...settings, readUtf8 }).pipe(Layer.provide(Layer.mergeAll(Upstream.layer, Fetch.layer(), Tokens.layer(settings)))),
    Health.layer(),
    Slots.layer,
    Keys.layer(settings.secretOf, (text) => hash("sha256", text)),
    Ledger.layer.pipe(Layer.provide(LedgerFile.layer({ file: join(settings.data, "ledger.sqlite"), tell: settings.tell }))),
    AccessLog.layer(settings.lines)
  )
