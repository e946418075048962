/** What policy files import from `turnout`. */
export { env, policy, sha256, usd } from "./Authoring.ts"
export type {
  Arms,
  Budget,
  BudgetFacts,
  Built,
  CallerFacts,
  Checked,
  Class,
  Condition,
  FirstOptions,
  Flag,
  Key,
  Mock,
  NumberOrAbsent,
  Numeric,
  OpenModels,
  PolicySource,
  Provider,
  RequestFacts,
  Route,
  Some,
  SplitOptions,
  Strategy,
  Target,
  Text,
  TextOrAbsent,
  Unit,
  Words
} from "./Authoring.ts"
export type { FailureClass } from "./Failure.ts"
export type { Duration, KeySecret, PolicyEncoded, Secret, Usd } from "./Policy.ts"
export type { ProviderKind } from "./Providers.ts"
