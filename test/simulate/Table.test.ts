import { assert, describe, it } from "@effect/vitest"
import { count, money, toText } from "../../src/simulate/Table.ts"
import { compiled, ran, steady, team } from "./support.ts"

describe("numbers", () => {
  it("are written for people, the same everywhere", () => {
    assert.deepStrictEqual([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"])
    assert.deepStrictEqual([0, 1, 1_500, 12_345_678, 999_999_999, 1e9, 1_234_567_890_000, 1_004_999_999].map(money), [
      "$0",
      "$0.000000001",
      "$0.0000015",
      "$0.0123",
      "$1",
      "$1.00",
      "$1,234.57",
      "$1.00"
    ])
  })
})

describe("toText", () => {
  it("is this table", async () => {
    const report = await ran(
      compiled({ ...team, budgets: { ...team.budgets, engineering: { per: "class", limit: { usd: 0.05 }, every: "month" } } }),
      steady(100, 1_000, (i) => ({ key: i % 4 === 0 ? "carol" : "alice", model: i % 4 === 0 ? "mini" : "chat", maxOutputTokens: 200 })),
      {
        model: {
          default: { firstToken: "200 millis", perToken: "10 millis", failAfter: "50 millis", errors: {} },
          events: [{ to: "4 seconds", providers: ["anthropic"], outage: "overloaded" }]
        }
      }
    )
    assert.deepStrictEqual(toText(report).replace(report.policy.hash.slice(0, 12), "HASH").split("\n"), [
      "team (policy HASH): 100 calls in 99.0 s from 2026-01-05T00:00:00Z, seed 1",
      "measured: what the compiled policy, its budgets and its breakers did to this traffic",
      "modelled: what follows from the assumed behaviour of the providers: failures, tokens of answers, latencies; quantiles are within 0.8 % of the value of their rank",
      "",
      "       measured                                                             modelled",
      "       calls  served  failed  refused  attempts  failovers  dollars     in    out  first token p50     p99  answer p50     p90     p99",
      "total    100      80       0       20        83         42  $0.0546  80.0k  8,000           200 ms  250 ms      1.19 s  1.19 s  1.24 s",
      "",
      "         measured                                                              modelled",
      "route    calls  served  failed  refused  attempts  failovers   dollars     in    out  first token p50     p99  answer p50     p90     p99",
      "chat        75      55       0       20        58         42   $0.0493  55.0k  5,500           200 ms  250 ms      1.19 s  1.19 s  1.24 s",
      "default     25      25       0        0        25          0  $0.00525  25.0k  2,500           200 ms  200 ms      1.19 s  1.19 s  1.19 s",
      "",
      "                  measured                                                             modelled",
      "arm, as assigned  calls  served  failed  refused  attempts  failovers  dollars     in    out  first token p50     p99  answer p50     p90     p99",
      "chat/old             69      49       0       20        52         42  $0.0403  49.0k  4,900           200 ms  250 ms      1.19 s  1.19 s  1.24 s",
      "chat/new              6       6       0        0         6          0   $0.009  6,000    600           200 ms  200 ms      1.19 s  1.19 s  1.19 s",
      "",
      "             measured                                                              modelled",
      "class        calls  served  failed  refused  attempts  failovers   dollars     in    out  first token p50     p99  answer p50     p90     p99",
      "engineering     75      55       0       20        58         42   $0.0493  55.0k  5,500           200 ms  250 ms      1.19 s  1.19 s  1.24 s",
      "support         25      25       0        0        25          0  $0.00525  25.0k  2,500           200 ms  200 ms      1.19 s  1.19 s  1.19 s",
      "",
      "        measured                                             modelled",
      "target  attempts  served  not tried  opened  dollars     in  failed    out  first token p50     p99  answer p50     p90     p99",
      "sonnet        10       7         59       0  $0.0315  7,000       3    700           200 ms  200 ms      1.19 s  1.19 s  1.19 s",
      "next           6       6          0       0   $0.009  6,000       0    600           200 ms  200 ms      1.19 s  1.19 s  1.19 s",
      "mini          67      67         20       0  $0.0141  67.0k       0  6,700           200 ms  200 ms      1.19 s  1.19 s  1.19 s",
      "",
      "                         measured",
      "budget                       window       limit   settled   used          50% at          80% at  100% at  refused        first at  left over time",
      "engineering engineering     2026-01       $0.05   $0.0493  98.6%  01-05 00:00:14  01-05 00:00:32        -       79  01-05 00:00:15  █▇▅▄▃▃▂▂▂▂▂▁▁▁▁▁▁▁▁▁",
      "agent carol              2026-01-05  $10,000.00  $0.00525   0.0%               -               -        -        0               -  █████████████████████████",
      "",
      "refused (measured)",
      "  chat: budget_exhausted 20",
      "",
      "tried because of (measured)",
      "  mini: first 25, failover 42",
      "",
      "not tried (measured)",
      "  sonnet: budget 59",
      "  mini: budget 20",
      "",
      "failed attempts (modelled)",
      "  sonnet: overloaded 3"
    ])
  })
})
