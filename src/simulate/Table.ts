/**
 * A report for people: tables of fixed columns, the measured ones on the left, the modelled ones on the right. No locale, no colour, the same bytes everywhere.
 */
import type { BudgetSeen, CallsSeen, Latencies, Reasons, Report, TargetSeen } from "./Report.ts"
import { showSpan } from "./Time.ts"

/** `12,345`. */
export const count = (value: number): string => String(value).replace(/\B(?=(\d{3})+(?!\d))/g, ",")

/** Nano-dollars to the cent, or to three digits where that would say nothing. */
export const money = (nanoDollars: number): string => {
  if (nanoDollars === 0) return "$0"
  if (nanoDollars >= 1e9) {
    const cents = Math.round(nanoDollars / 1e7)
    return `$${count(Math.floor(cents / 100))}.${String(cents % 100).padStart(2, "0")}`
  }
  return `$${Number((nanoDollars / 1e9).toPrecision(3))
    .toFixed(9)
    .replace(/0+$/, "")
    .replace(/\.$/, "")}`
}

/** Tokens: `987`, `12.3k`, `4.56M`. */
const amount = (value: number): string => {
  const short = (scaled: number, unit: string): string =>
    `${scaled >= 100 ? scaled.toFixed(0) : scaled >= 10 ? scaled.toFixed(1) : scaled.toFixed(2)}${unit}`
  return value < 10_000
    ? count(value)
    : value < 999_500
      ? short(value / 1e3, "k")
      : value < 999_500_000
        ? short(value / 1e6, "M")
        : short(value / 1e9, "G")
}

const span = (latencies: Latencies, value: number): string => (latencies.count === 0 ? "-" : showSpan(value * 1_000))

interface Column<A> {
  readonly title: string
  readonly side: "name" | "measured" | "modelled"
  readonly cell: (row: A) => string
  readonly left?: boolean
}

/** Renders rows under a line that says which columns are what. */
const table = <A>(columns: ReadonlyArray<Column<A>>, rows: ReadonlyArray<A>): ReadonlyArray<string> => {
  const cells = rows.map((row) => columns.map((column) => column.cell(row)))
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...cells.map((row) => row[i]!.length)))
  const line = (texts: ReadonlyArray<string>): string =>
    texts
      .map((text, i) => (columns[i]!.side === "name" || columns[i]!.left === true ? text.padEnd(widths[i]!) : text.padStart(widths[i]!)))
      .join("  ")
      .trimEnd()
  const from = (side: "measured" | "modelled"): number => {
    const at = columns.findIndex((column) => column.side === side)
    return widths.slice(0, at).reduce((sum, width) => sum + width + 2, 0)
  }
  const sides = [...new Set(columns.map(({ side }) => side))].filter((side) => side !== "name")
  let head = ""
  for (const side of sides) head = `${head.padEnd(from(side))}${side}`
  return [head, line(columns.map(({ title }) => title)), ...cells.map(line)]
}

const callColumns = <A extends CallsSeen>(title: string, name: (row: A) => string): ReadonlyArray<Column<A>> => [
  { title, side: "name", cell: name },
  { title: "calls", side: "measured", cell: ({ measured }) => count(measured.calls) },
  { title: "served", side: "measured", cell: ({ measured }) => count(measured.served) },
  { title: "failed", side: "measured", cell: ({ measured }) => count(measured.failed) },
  { title: "refused", side: "measured", cell: ({ measured }) => count(measured.refused) },
  { title: "attempts", side: "measured", cell: ({ measured }) => count(measured.attempts) },
  { title: "failovers", side: "measured", cell: ({ measured }) => count(measured.failovers) },
  { title: "dollars", side: "measured", cell: ({ measured }) => paid(measured) },
  { title: "in", side: "measured", cell: ({ measured }) => amount(measured.inputTokens) },
  { title: "out", side: "modelled", cell: ({ modelled }) => amount(modelled.outputTokens) },
  ...latencyColumns<A>()
]

const paid = ({ nanoDollars, unpricedAttempts }: { readonly nanoDollars: number; readonly unpricedAttempts: number }): string =>
  unpricedAttempts === 0 ? money(nanoDollars) : nanoDollars === 0 ? "unknown" : `≥ ${money(nanoDollars)}`

const latencyColumns = <A extends { readonly modelled: CallsSeen["modelled"] }>(): ReadonlyArray<Column<A>> => [
  { title: "first token p50", side: "modelled", cell: ({ modelled: { firstTokenMillis: one } }) => span(one, one.p50) },
  { title: "p99", side: "modelled", cell: ({ modelled: { firstTokenMillis: one } }) => span(one, one.p99) },
  { title: "answer p50", side: "modelled", cell: ({ modelled: { answerMillis: one } }) => span(one, one.p50) },
  { title: "p90", side: "modelled", cell: ({ modelled: { answerMillis: one } }) => span(one, one.p90) },
  { title: "p99", side: "modelled", cell: ({ modelled: { answerMillis: one } }) => span(one, one.p99) }
]

const listed = (counts: Reasons): string =>
  Object.entries(counts)
    .map(([name, n]) => `${name} ${count(n)}`)
    .join(", ")

const sum = (counts: Reasons): number => Object.values(counts).reduce((sum, n) => sum + n, 0)

type TargetRow = { readonly target: string } & TargetSeen
const targetColumns: ReadonlyArray<Column<TargetRow>> = [
  { title: "target", side: "name", cell: ({ target }) => target },
  { title: "attempts", side: "measured", cell: ({ measured }) => count(measured.attempts) },
  { title: "served", side: "measured", cell: ({ measured }) => count(measured.served) },
  { title: "not tried", side: "measured", cell: ({ measured }) => count(sum(measured.rejectedBy)) },
  { title: "opened", side: "measured", cell: ({ measured }) => count(measured.breakerOpened) },
  { title: "dollars", side: "measured", cell: ({ measured }) => paid(measured) },
  { title: "in", side: "measured", cell: ({ measured }) => amount(measured.inputTokens) },
  { title: "failed", side: "modelled", cell: ({ modelled }) => count(sum(modelled.failedBy)) },
  { title: "out", side: "modelled", cell: ({ modelled }) => amount(modelled.outputTokens) },
  ...latencyColumns<TargetRow>()
]

const blocks = "▁▂▃▄▅▆▇█"

/** What was left of the limit at the end of each step: a full block for all of it, none for nothing. */
const burnDown = ({ measured: { burnDown, limitNanoDollars } }: BudgetSeen): string =>
  burnDown.settledNanoDollars
    .map((settled) => {
      const left = limitNanoDollars === 0 ? 0 : Math.max(0, 1 - settled / limitNanoDollars)
      return left === 0 ? " " : blocks[Math.min(7, Math.floor(left * 8))]!
    })
    .join("")

const budgetColumns: ReadonlyArray<Column<BudgetSeen>> = [
  { title: "budget", side: "name", cell: ({ budget, scope }) => `${budget} ${scope}` },
  { title: "window", side: "measured", cell: ({ window }) => window },
  { title: "limit", side: "measured", cell: ({ measured }) => money(measured.limitNanoDollars) },
  { title: "settled", side: "measured", cell: ({ measured }) => money(measured.settledNanoDollars) },
  {
    // Rounded down: what is not quite spent is not shown as spent.
    title: "used",
    side: "measured",
    cell: ({ measured: { limitNanoDollars: limit, settledNanoDollars: settled } }) =>
      limit === 0 ? "-" : `${(Math.floor((settled / limit) * 1_000) / 10).toFixed(1)}%`
  },
  ...(["50%", "80%", "100%"] as const).map((mark): Column<BudgetSeen> => ({
    title: `${mark} at`,
    side: "measured",
    cell: ({ measured }) => shortTime(measured.crossed[mark] ?? null)
  })),
  { title: "refused", side: "measured", cell: ({ measured }) => count(measured.refused) },
  { title: "first at", side: "measured", cell: ({ measured }) => shortTime(measured.firstRefused) },
  { title: "left over time", side: "measured", cell: burnDown, left: true }
]

const shortTime = (time: string | null): string => (time === null ? "-" : time.slice(5, 19).replace("T", " "))

/** Accounts shown; a year of days for many keys is for `--json`. */
const maxAccounts = 40

/** The report as text, without a last line break. */
export const toText = (report: Report): string => {
  const { arms, budgets, classes, copies, labels, model, partial, policy, routes, targets, total, traffic } = report
  const lines: Array<string> = []
  const section = (title: string, more: ReadonlyArray<string>): void => {
    if (more.length > 0) lines.push("", ...(title === "" ? [] : [title]), ...more)
  }
  if (partial) lines.push(`PARTIAL: stopped before the end; calls in flight, which are not counted below: ${count(traffic.inFlight)}`, "")
  lines.push(
    `${policy.name} (policy ${policy.hash.slice(0, 12)}): ${count(traffic.calls)} calls in ${showSpan(report.virtualMillis * 1_000)} from ${report.start}, seed ${report.seed}`,
    `measured: ${labels.measured}`,
    `modelled: ${labels.modelled}; ${labels.latencies}`,
    ...(model.default ? ["assumed: nobody said how the providers behave (`--model`), so these are Turnout's own assumptions"] : [])
  )
  section(
    "",
    table(
      callColumns<{ readonly name: string } & CallsSeen>("", ({ name }) => name),
      [{ name: "total", ...total }, ...(copies === undefined ? [] : [{ name: "copies", ...copies }])]
    )
  )
  section(
    "",
    table(
      callColumns<Report["routes"][number]>("route", ({ route }) => route),
      routes
    )
  )
  if (arms.length > 0)
    section(
      "",
      table(
        callColumns<Report["arms"][number]>("arm, as assigned", ({ arm, route }) => `${route}/${arm}`),
        arms
      )
    )
  if (classes.length > 0)
    section(
      "",
      table(
        callColumns<Report["classes"][number]>("class", (row) => row.class),
        classes
      )
    )
  section("", table(targetColumns, targets))
  if (budgets.length > 0) {
    section("", table(budgetColumns, budgets.slice(0, maxAccounts)))
    if (budgets.length > maxAccounts) lines.push(`… and ${count(budgets.length - maxAccounts)} more; \`--json\` has them all`)
  }
  section("refused (measured)", [
    ...routes.flatMap(({ measured, route }) => (measured.refused === 0 ? [] : [`  ${route}: ${listed(measured.refusedBy)}`])),
    ...unrouted(report)
  ])
  section(
    "tried because of (measured)",
    targets.flatMap(({ measured: { copies, why }, target }) => {
      const { first = 0, ...others } = why
      if (sum(others) === 0 && copies === undefined) return []
      const all = listed({ ...(first === 0 ? {} : { first }), ...others })
      return [`  ${target}: ${all}${copies === undefined ? "" : `; by copies ${count(copies.attempts)} for ${money(copies.nanoDollars)}`}`]
    })
  )
  section(
    "credentials (measured)",
    targets.flatMap(({ measured, target }) => {
      const each = Object.entries(measured.credentials ?? {}).map(
        ([name, { attempts, ended, served }]) =>
          `${name} ${count(attempts)} (${count(served)} served${ended === 0 ? "" : `, ended ${count(ended)}`})`
      )
      return each.length === 0 ? [] : [`  ${target}: ${each.join(", ")}`]
    })
  )
  section(
    "not tried (measured)",
    targets.flatMap(({ measured, target }) => (sum(measured.rejectedBy) === 0 ? [] : [`  ${target}: ${listed(keptAway(measured))}`]))
  )
  section(
    "failed attempts (modelled)",
    targets.flatMap(({ modelled, target }) => (sum(modelled.failedBy) === 0 ? [] : [`  ${target}: ${listed(modelled.failedBy)}`]))
  )
  return lines.join("\n")
}

/** What kept candidates away, those apart whose provider had asked for it. */
const keptAway = ({ paused, rejectedBy }: TargetSeen["measured"]): Reasons => {
  if (paused === 0) return rejectedBy
  const { breaker = 0, ...others } = rejectedBy
  return { ...(breaker === paused ? {} : { breaker: breaker - paused }), paused, ...others }
}

/** Refusals before any route was chosen. */
const unrouted = ({ routes, total }: Report): ReadonlyArray<string> => {
  const rest = { ...total.measured.refusedBy }
  for (const { measured } of routes) for (const [name, n] of Object.entries(measured.refusedBy)) rest[name] = (rest[name] ?? 0) - n
  const left = Object.fromEntries(Object.entries(rest).filter(([, n]) => n > 0))
  return sum(left) === 0 ? [] : [`  before any route: ${listed(left)}`]
}

/** The report as JSON, without a last line break. */
export const toJson = (report: Report): string => JSON.stringify(report, null, 2)
