/** What policy files import from `turnout`. */
export { env, policy, usd } from "./Authoring.ts"
export type {} from "./Authoring.ts"
export type { FailureClass } from "./Failure.ts"
export type { Duration, PolicyEncoded, Secret, Usd } from "./Policy.ts"
export type { ProviderKind } from "./Providers.ts"
