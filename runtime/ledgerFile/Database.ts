/**
 * The ledger's file: an SQLite database that one process owns, as plain synchronous functions. Runs in the ledger's own thread.
 *
 * Ownership is SQLite's exclusive lock in WAL mode, which the kernel drops with the process, however it dies: there is no lock file that could be stale, and
 * no shared memory beside the database. What books more, a draw or an overrun, is synced to the disk with its commit (`synchronous=FULL`) and survives a power
 * failure too, as far as the disk keeps its word. What only settles or gives back is synced with the next that does, or when the log moves into the database: `kill
 * -9` does not take it back, and a power failure that does counts too much, never too little. So a draw seldom waits behind a sync. A write keeps its number
 * and its answers in the transaction that applies it, so that one whose answer was lost
 * is answered again and not applied again.
 *
 * The file is never opened but by SQLite: a descriptor of this process that anything else closed would take the lock with it.
 *
 * Roads not taken: a sync of everything (on a busy disk, draws then wait for a sync of settlements, and longer than calls do); a file with a process number,
 * because it outlives its process; `better-sqlite3`, because Node has SQLite; `Atomics.wait` on the request's thread, because a sync of a busy disk takes as
 * long as it likes.
 */
import { accessSync, constants, existsSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { DatabaseSync, type StatementSync } from "node:sqlite"
import type { Drawn, Opened, Posting, Want } from "../../src/LedgerStore.ts"
import type { Answers, Step, Unclean, WorkerInput } from "./Messages.ts"
import { makeFolder } from "../Files.ts"

/** `Trnt`: what SQLite keeps in the header of a file to say whose it is. */
const applicationId = 0x54_72_6e_74
const formatVersion = 1
/** A run whose thread starts again finds its own row, even if others have owned the file in between. */
const keptRuns = 64
const reportedAccounts = 10

const schema = `
  CREATE TABLE account (
    "window" TEXT NOT NULL,
    budget TEXT NOT NULL,
    scope TEXT NOT NULL,
    booked INTEGER NOT NULL,
    settled INTEGER NOT NULL,
    PRIMARY KEY ("window", budget, scope),
    CHECK (booked >= settled AND settled >= 0)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE run (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    applied INTEGER NOT NULL,
    answers TEXT NOT NULL
  ) STRICT;
  PRAGMA application_id = ${applicationId};
  PRAGMA user_version = ${formatVersion};
`

/** Why the file cannot serve, as people should read it. */
export class Unusable extends Error {
  /** Whether another connection has it, which may end. */
  readonly busy: boolean
  constructor(why: string, busy = false) {
    super(why)
    this.busy = busy
  }
}

const elsewhere = "name another folder with `--data`"
const readOnly = (name: string, detail: string): string =>
  `\`${name}\` cannot be opened for writing (${detail}): let this process write it and its folder, or ${elsewhere}`
const damaged = (name: string, detail: string): string =>
  `\`${name}\` is damaged (${detail}): put a copy of it back, or move it away to count from 0`

/** What an error of SQLite or of the file system means for the ledger at `name`. */
export const explain = (name: string, error: unknown): Unusable => {
  if (error instanceof Unusable) return error
  const { code, errcode, errstr, message } = error as Error & {
    readonly code?: string
    readonly errcode?: number
    readonly errstr?: string
  }
  const detail = errstr ?? message
  if (code === "ENOSPC" || code === "EDQUOT") return new Unusable(`the disk of \`${name}\` is full: make room on it, or ${elsewhere}`)
  if (code === "ENOTDIR" || code === "EEXIST")
    return new Unusable(`\`${name}\` cannot be made: a part of its path is a file and not a folder; ${elsewhere}`)
  if (code === "EACCES" || code === "EPERM" || code === "EROFS") return new Unusable(readOnly(name, code))
  if (errcode === undefined) return new Unusable(`\`${name}\` cannot be made: ${detail}; ${elsewhere}`)
  // The low byte is the error, the rest says more about it.
  switch (errcode & 0xff) {
    case 5:
    case 6:
      return new Unusable(`another gateway is using \`${name}\`: stop it, or ${elsewhere} for this one`, true)
    case 11:
      return new Unusable(damaged(name, detail))
    case 13:
      return new Unusable(`the disk of \`${name}\` is full: make room on it, or ${elsewhere}`)
    case 26:
      return new Unusable(`\`${name}\` is not a ledger of turnout: move it away, or ${elsewhere}`)
    case 3:
    case 8:
    case 14:
    case 23:
      return new Unusable(readOnly(name, detail))
    default:
      return new Unusable(`\`${name}\` cannot be read or written: ${detail}`)
  }
}

/** An amount as SQLite keeps it. A value that is none must not stop every write after it. */
const integer = (nanoDollars: number): bigint => BigInt(Math.round(Math.min(Math.max(nanoDollars, -1e18), 1e18)) || 0)

const least = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** A ledger that this process owns. */
export interface Database {
  readonly accounts: ReadonlyArray<Opened>
  readonly unclean: Unclean
  /** Applies a write and answers its draws, or throws and has applied nothing. One that has been applied is only answered. */
  readonly write: (number: number, steps: ReadonlyArray<Step>) => Answers
  readonly close: () => void
}

const wholeNumber = (db: DatabaseSync, sql: string): number => Number(Object.values(db.prepare(sql).get() ?? {})[0])

/** Whether the file is new; throws where it is somebody else's. The caller holds its lock. */
const isNew = (db: DatabaseSync, name: string): boolean => {
  const owner = wholeNumber(db, "PRAGMA application_id")
  const version = wholeNumber(db, "PRAGMA user_version")
  if (owner === 0 && version === 0 && wholeNumber(db, "SELECT count(*) FROM sqlite_schema") === 0) return true
  if (owner !== applicationId) throw new Unusable(`\`${name}\` is not a ledger of turnout: move it away, or ${elsewhere}`)
  if (version > formatVersion)
    throw new Unusable(
      `\`${name}\` was written by a newer turnout (format ${version}, and this one knows ${formatVersion}): start that version, or ${elsewhere}`
    )
  // A check that finds something says where first.
  const checked = String(Object.values(db.prepare("PRAGMA quick_check(1)").get() ?? {})[0])
  const problem = version < formatVersion ? "it has no format" : checked.slice(checked.lastIndexOf("\n") + 1)
  if (problem !== "ok") throw new Unusable(damaged(name, problem))
  return false
}

/** Counts as spent what the last run has booked and not settled. */
const takeOver = (db: DatabaseSync, run: string): Unclean => {
  const greatest = db.prepare(
    `SELECT budget, scope, "window", booked - settled AS rest FROM account WHERE booked > settled ORDER BY rest DESC, "window", budget, scope LIMIT ?`
  )
  const all = db.prepare("SELECT count(*) AS count, coalesce(sum(booked - settled), 0) AS rest FROM account WHERE booked > settled")
  for (const statement of [greatest, all]) statement.setReadBigInts(true)
  const rows = greatest.all(reportedAccounts) as unknown as ReadonlyArray<Record<"budget" | "scope" | "window", string> & { rest: bigint }>
  const total = all.get() as unknown as { readonly count: bigint; readonly rest: bigint }
  db.exec("UPDATE account SET settled = booked WHERE booked > settled")
  db.prepare("INSERT INTO run (id, applied, answers) VALUES (?, 0, '[]')").run(run)
  db.prepare("DELETE FROM run WHERE number <= (SELECT max(number) FROM run) - ?").run(keptRuns)
  return {
    greatest: rows.map(({ budget, rest, scope, window }) => ({ budget, scope, window, nanoDollars: Number(rest) })),
    others: Number(total.count) - rows.length,
    othersNanoDollars: Number(total.rest - rows.reduce((sum, { rest }) => sum + rest, 0n))
  }
}

const accountsSince = (db: DatabaseSync, since: string): ReadonlyArray<Opened> => {
  const month = since.slice(0, 7)
  const statement = db.prepare(
    `SELECT budget, scope, "window", booked FROM account WHERE "window" >= $month AND (length("window") = length($month) OR "window" >= $since)`
  )
  statement.setReadBigInts(true)
  const rows = statement.all({ month, since }) as unknown as ReadonlyArray<
    Record<"budget" | "scope" | "window", string> & { booked: bigint }
  >
  return rows.map(({ booked, budget, scope, window }) => ({ account: { budget, scope, window }, bookedNanoDollars: Number(booked) }))
}

interface Statements {
  readonly booked: StatementSync
  readonly book: StatementSync
  readonly post: StatementSync
}

// Numbered parameters are not for older versions of Node, which bind none that have a name.
const statementsOf = (db: DatabaseSync): Statements => {
  const booked = db.prepare(`SELECT booked FROM account WHERE "window" = ? AND budget = ? AND scope = ?`)
  booked.setReadBigInts(true)
  return {
    booked,
    book: db.prepare(
      `INSERT INTO account ("window", budget, scope, booked, settled) VALUES ($window, $budget, $scope, $granted, 0) ON CONFLICT DO UPDATE SET booked = booked + $granted`
    ),
    // Booked is never less than settled: that holds already, but for a run that goes on after another has counted its slices as spent.
    post: db.prepare(
      `INSERT INTO account ("window", budget, scope, booked, settled) VALUES ($window, $budget, $scope, max($booked, $settled, 0), max($settled, 0))
       ON CONFLICT DO UPDATE SET booked = max(booked + $booked, settled + $settled, 0), settled = max(settled + $settled, 0)`
    )
  }
}

const draw = ({ book, booked }: Statements, { account, limitNanoDollars, nanoDollars }: Want): Drawn => {
  const { budget, scope, window } = account
  const before = (booked.get(window, budget, scope) as { readonly booked: bigint } | undefined)?.booked ?? 0n
  const granted = least(integer(nanoDollars), integer(limitNanoDollars) - before)
  if (granted <= 0n) return { grantedNanoDollars: 0, bookedNanoDollars: Number(before) }
  book.run({ window, budget, scope, granted })
  return { grantedNanoDollars: Number(granted), bookedNanoDollars: Number(before + granted) }
}

const post = ({ post }: Statements, { account, bookedNanoDollars, settledNanoDollars }: Posting): void => {
  const { budget, scope, window } = account
  post.run({ window, budget, scope, booked: integer(bookedNanoDollars), settled: integer(settledNanoDollars) })
}

/** Whether a write books more of an account, which a power failure must not take back. */
const booksMore = (steps: ReadonlyArray<Step>): boolean =>
  steps.some((step) => step._tag === "Draw" || step.postings.some(({ bookedNanoDollars }) => bookedNanoDollars > 0))

/** Does `body` in one transaction that is durable when this returns, or leaves everything as it was. */
const inTransaction = <A>(db: DatabaseSync, body: () => A): A => {
  db.exec("BEGIN IMMEDIATE")
  try {
    const result = body()
    db.exec("COMMIT")
    return result
  } catch (error) {
    // A grave error has already rolled back.
    if (db.isTransaction) db.exec("ROLLBACK")
    throw error
  }
}

const own = (db: DatabaseSync, { name, run, since }: WorkerInput): Database => {
  // The first lock is kept until the database is closed, and before it is judged nothing is written to it: it may be somebody else's.
  db.exec("PRAGMA locking_mode = EXCLUSIVE; PRAGMA temp_store = MEMORY; BEGIN EXCLUSIVE")
  const fresh = isNew(db, name)
  db.exec("COMMIT")
  const mode = Object.values(db.prepare("PRAGMA journal_mode = WAL").get() ?? {})[0]
  if (mode !== "wal") throw new Unusable(`\`${name}\` cannot keep a log beside it (${String(mode)}): ${elsewhere}`)
  db.exec("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 256")

  const [seen, unclean, accounts] = inTransaction(db, () => {
    if (fresh) db.exec(schema)
    const seen = db.prepare("SELECT applied FROM run WHERE id = ?").get(run) as { readonly applied: number } | undefined
    const unclean: Unclean = seen === undefined ? takeOver(db, run) : { greatest: [], others: 0, othersNanoDollars: 0 }
    return [seen, unclean, accountsSince(db, since)]
  })
  let applied = seen?.applied ?? 0
  let synced = true
  const sync = (wanted: boolean): void => {
    if (wanted === synced) return
    db.exec(`PRAGMA synchronous = ${wanted ? "FULL" : "NORMAL"}`)
    synced = wanted
  }

  const statements = statementsOf(db)
  const answered = db.prepare("SELECT answers FROM run WHERE id = ?")
  const apply = db.prepare("UPDATE run SET applied = ?, answers = ? WHERE id = ?")
  return {
    accounts,
    unclean,
    write: (number, steps) => {
      if (number <= applied) return JSON.parse((answered.get(run) as { readonly answers: string }).answers) as Answers
      try {
        sync(booksMore(steps))
        const answers = inTransaction(db, () => {
          const answers: Array<ReadonlyArray<Drawn>> = []
          for (const step of steps) {
            if (step._tag === "Draw") answers.push(step.wants.map((want) => draw(statements, want)))
            else for (const posting of step.postings) post(statements, posting)
          }
          apply.run(number, JSON.stringify(answers), run)
          return answers
        })
        applied = number
        return answers
      } catch (error) {
        // What is in the log moves into the database, and the next try may find room in the log.
        try {
          db.exec("PRAGMA wal_checkpoint(RESTART)")
        } catch {}
        throw error
      }
    },
    // The last connection moves the log into the database and removes it.
    close: () => db.close()
  }
}

/** Opens the ledger, or makes it, and owns it from now on; throws `Unusable` where that cannot be. */
export const open = (input: WorkerInput): Database => {
  let db: DatabaseSync | undefined
  try {
    const folder = dirname(input.file)
    if (makeFolder(folder)) writeFileSync(join(folder, ".gitignore"), "*\n")
    // SQLite would open it all the same, only to read.
    for (const path of [folder, input.file]) if (existsSync(path)) accessSync(path, constants.W_OK)
    db = new DatabaseSync(input.file, { timeout: 0 })
    return own(db, input)
  } catch (error) {
    const why = explain(input.name, error)
    try {
      db?.close()
    } catch {}
    throw why
  }
}
