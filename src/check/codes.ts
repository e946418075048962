/**
 * Every finding that the checker can make, in one line each: what `turnout check --codes` prints, what SARIF calls rules, and what `accept` may name.
 *
 * `level` is the usual one; what a finding says in one place as an error may be a warning in another. A test holds this table against the sources.
 */
import type { Finding } from "../Finding.ts"

export interface Code {
  /** What it is about. */
  readonly family: string
  readonly level: Finding["level"]
  readonly says: string
}

const error = (says: string) => ({ level: "error", says }) as const
const warning = (says: string) => ({ level: "warning", says }) as const
const note = (says: string) => ({ level: "note", says }) as const

const family = (name: string, codes: Readonly<Record<string, Omit<Code, "family">>>): Readonly<Record<string, Code>> =>
  Object.fromEntries(Object.entries(codes).map(([code, of]) => [code, { family: name, ...of }]))

export const codes: Readonly<Record<string, Code>> = {
  ...family("form", {
    "wrong-form": error("a value is of another form than its field takes"),
    "unknown-field": error("a field that the language does not have"),
    "missing-field": error("a field that must be there is not"),
    "unknown-strategy": error("a strategy that the language does not have")
  }),
  ...family("names", {
    "unknown-provider": error("a provider that is not declared"),
    "unknown-target": error("a target that is not declared"),
    "unknown-pool": error("a pool that is not declared"),
    "unknown-budget": error("a budget that is not declared"),
    "unknown-class": error("a class that is not declared"),
    "unknown-region": warning("a region in which nothing is served"),
    "unknown-tag": error("a tag of a key that the policy does not declare"),
    "unknown-fact": error("a fact that the policy does not have"),
    "unknown-placeholder": error("an address holds something in braces that stands for nothing"),
    "no-target": error("there is nothing to route to"),
    "no-address": error("a provider has neither an address of its own nor a usual one"),
    "mock-address": error("a mock does not answer on a loopback address with a port"),
    "key-in-clear": warning("a provider's key crosses the network unencrypted"),
    "no-credential": warning("a provider that refuses whoever sends no credential, and has none"),
    "two-credentials": error("a provider that has a key, several keys or tokens, and another of them as well"),
    "credential-twice": error("one variable twice among the keys of a provider"),
    "one-of-keys": note("a list of keys of a provider with one key in it"),
    "useless-field": error("a field of a provider that means nothing to its kind"),
    "unknown-dialect": error("an API that a kind of provider does not speak"),
    "address-without-project": error("an address depends on a project, and there is none"),
    "region-without-address": error("a region is set that the provider's address does not depend on"),
    "address-without-region": error("an address depends on a region, and there is none"),
    "empty-set": error("a `set` that sets nothing"),
    "own-header": error("a header set that the dialect sends itself"),
    "member-twice": error("one member twice in a spread or a pool"),
    "pool-unused": warning("a pool that no route uses"),
    "alias-shadowed": error("an alias that is a target already"),
    "alias-cycle": error("aliases that go round in a circle"),
    "ambiguous-model": warning("a model name that two targets answer to")
  }),
  ...family("conditions", {
    condition: error("a condition that is not formed as one"),
    "condition-operator": error("an operator that cannot be analysed"),
    "condition-type": error("a comparison of a fact with something of another type"),
    "condition-absent": error("an ordering of a fact that may be absent"),
    "always-true": warning("a condition that always holds"),
    "always-false": warning("a guard whose condition never holds"),
    "dead-branch": warning("a branch that no request takes"),
    "redundant-part": note("a part that changes nothing of its condition")
  }),
  ...family("routes", {
    "route-name-twice": error("two routes of one name"),
    "unreachable-route": error("a route that can never be chosen"),
    "unreachable-default": error("a default route that can never be chosen"),
    "impossible-route": error("a route whose condition can never hold"),
    "redundant-route": warning("a route without which nothing would change"),
    "shadowed-route": note("a route before which others take some of its requests and answer them differently"),
    "no-default": error("a request may have no route")
  }),
  ...family("strategies", {
    "failover-cycle": error("a failover that comes back to what has failed"),
    "unreachable-fallback": error("a strategy after one that always answers"),
    "empty-on": error("a list of failure classes that names none"),
    "arm-twice": error("two arms of one name"),
    "split-weights": error("weights that are no positive integers or do not add up"),
    "split-unit": error("a split by something that it cannot assign by"),
    deadline: warning("a deadline of no time, or one that never passes"),
    "retry-in-vain": warning("a retry of what is never tried again"),
    "retry-nested": warning("a retry within a retry: their tries multiply"),
    "retry-backoff": warning("a first wait that is longer than the longest"),
    "hedge-at-once": warning("a hedge that waits for nothing"),
    "hedge-same": warning("a target that is hedged with itself"),
    "unknown-stop": error("a reason for which no answer ends"),
    "dead-escalation": warning("an escalation of no answer, or of every one"),
    "escalate-same": warning("a target that is asked the same again"),
    "stream-held-back": note("streams that are held back until they are whole"),
    "shadow-nested": warning("a shadow in the copy of another, which copies nothing"),
    "shadow-never": warning("a copy that is made of no call, because rules leave nothing of it"),
    "limit-of-nothing": error("a limit that lets nothing through"),
    "limit-never-passes": warning("a limit that another always passes before"),
    "capacity-wait": warning("a queue for a place in which nobody can wait, or a wait without a queue"),
    "capacity-differs": warning("one deployment under two names with different capacities"),
    "commit-forestalls-failover": note("answers that count as begun before a failover could help")
  }),
  ...family("failover", {
    "same-deployment": warning("one deployment twice in a failover or a hedge, under two names"),
    "shared-fate": note("a failover that one outage or quota takes whole"),
    "deadline-starves": note("a fallback for which no time is left if what comes before it stalls"),
    "effort-starves": warning("a fallback for which a call has no attempt left"),
    "retry-amplifies": warning("retries that promise more attempts than a call has")
  }),
  ...family("splits", {
    "split-unit-fine": note("a split that may assign the requests of one conversation differently"),
    "split-salt-reused": warning("two splits that assign the same callers together"),
    "split-same": warning("a split whose arms are all the same")
  }),
  ...family("guards", {
    "guard-name-twice": error("two guards of one name"),
    "guard-matches-nothing": warning("a guard that speaks of nothing that is there"),
    "guard-unknown": warning("a guard that keeps a target out because something is not known of it"),
    "guard-leaves-nothing": error("a guard that keeps every target out"),
    "layer-clash": error("a rule of a layer and another of the same name")
  }),
  ...family("access", {
    "key-secret-twice": error("two keys with one secret"),
    "key-without-team": error("a key without the team that a budget is kept for"),
    "key-without-organisation": error("a key without the organisation that a budget is kept for"),
    "not-open": error("a grant of models of a provider that is not open"),
    "class-without-keys": warning("a class that no key is of"),
    "class-reaches-nothing": error("a class that may use nothing"),
    "grant-removes": warning("a fallback, an arm or a branch that a class may not use"),
    "grant-removes-all": error("a route of which a class may use nothing"),
    "guard-removes": note("a fallback, an arm or a branch that guards keep out"),
    "guard-removes-all": warning("calls of a route of which guards leave nothing")
  }),
  ...family("capabilities", {
    "capability-removes": note("a fallback or an arm that lacks what some requests need"),
    "capability-removes-all": warning("requests that no target of their route can serve"),
    "capability-unknown": warning("requests of which it is not known whether a target can serve them"),
    "fallback-weaker": note("a fallback that can do less than what it stands in for")
  }),
  ...family("proofs", {
    "not-proved": note("something that cannot be seen through, of which nothing is claimed")
  }),
  ...family("money", {
    "budget-binds-nobody": error("a budget that nobody spends from"),
    "budget-without-keys": warning("a budget of classes that no key is of"),
    "budget-never-binds": warning("a budget that a tighter one always stands before"),
    "budget-of-nothing": note("a budget that refuses every call that costs anything"),
    "effort-fits-nothing": warning("an effort in dollars into which no attempt fits"),
    "unpriced-target": error("a target without a known price under a budget"),
    "unlimited-target": error("a target without a known end of its answers under a budget")
  }),
  ...family("accept", {
    "unknown-finding": error("an accepted finding that does not exist"),
    "cannot-accept": error("an error that the policy would accept"),
    "accepts-nothing": warning("an accepted finding that is not found")
  })
}
