/** Providers and their models: where they answer, what they cost, what they can do, and the pools that routes share. */
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import { dialectNames, providerKinds } from "../Providers.ts"
import { Member, SpreadBy } from "./strategy.ts"
import { Duration, Name, optional, PositiveInt, Price, Region, Secret } from "./terms.ts"

/** How a mock deployment behaves: the mock server plays a provider where there is no account. */
export const MockModel = Schema.Struct({
  /** From the request to the first token. */
  firstToken: Schema.optionalKey(Duration),
  /** Between two tokens of a stream. */
  perToken: Schema.optionalKey(Duration),
  /** What goes wrong with every call: an HTTP status, a reset connection, an answer that never comes, a stream that ends half-way. */
  fault: Schema.optionalKey(
    Schema.Union([Schema.Int.check(Schema.isBetween({ minimum: 400, maximum: 599 })), Schema.Literals(["reset", "stall", "cut"])])
  )
})
export type MockModel = typeof MockModel.Type

const addressFault = (text: string): string | undefined => {
  const url = URL.parse(text)
  if (url === null || !(url.protocol === "http:" || url.protocol === "https:")) return "an http or https URL"
  if (url.username !== "" || url.password !== "") return "a URL without credentials: use `key`"
  return url.search === "" && url.hash === "" ? undefined : "a URL without query and fragment"
}

const BaseUrl = Schema.String.check(
  Schema.makeFilter((text: string) => addressFault(text.replaceAll("{region}", "region").replaceAll("{project}", "project")))
)

/** An application of Microsoft Entra ID that signs in with a secret of its own. */
const Entra = Schema.Struct({
  tenant: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9.-]{0,252}$/u, { expected: "a tenant's id or domain" })),
  client: Schema.String.check(Schema.isPattern(/^[A-Za-z0-9-]{1,64}$/u, { expected: "an application's (client) id" })),
  secret: Secret,
  /** What the token is for; the default is that of the public cloud. */
  scope: optional(
    Schema.String.check(
      Schema.isPattern(/^\S{1,256}$/u, { expected: "one scope, such as `https://cognitiveservices.azure.com/.default`" })
    ),
    "https://cognitiveservices.azure.com/.default"
  ),
  /** Where tokens are given; the default is that of the public cloud. */
  authority: optional(Schema.String.check(Schema.makeFilter(addressFault)), "https://login.microsoftonline.com")
})

/** Credentials of Google Cloud: a service account's JSON in the environment, or what the machine itself has (application default credentials). */
const Google = Schema.Struct({ credentials: Schema.optionalKey(Secret) })

/** How tokens are got for a provider that takes them instead of a key. */
export const Auth = Schema.Struct({ entra: Schema.optionalKey(Entra), google: Schema.optionalKey(Google) }).check(
  Schema.makeFilter(({ entra, google }) => (entra === undefined) !== (google === undefined) || "either `entra` or `google`")
)
export type Auth = typeof Auth.Type

/** One of several keys of a provider, with its share of the calls: whole weights, which need not add up to anything. */
const ProviderKey = Schema.Struct({ key: Secret, weight: optional(PositiveInt, 1) })
const ProviderKeys = Schema.NonEmptyArray(
  // The whole form comes first, so that encoding (the canonical form) never chooses the shorthand.
  Schema.Union([
    ProviderKey,
    Secret.pipe(
      Schema.decodeTo(Schema.toType(ProviderKey), {
        decode: SchemaGetter.transform((key: Secret) => ({ key, weight: 1 })),
        encode: SchemaGetter.transform(({ key }: { readonly key: Secret }) => key)
      })
    )
  ])
)

/** How many attempts a target is given at once, how many more may wait for a place, and how long. */
export const Capacity = Schema.Struct({
  inFlight: PositiveInt,
  queued: optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)), 0),
  wait: optional(Duration, "1 seconds")
})

export const ProviderSpec = Schema.Struct({
  dialect: Schema.Literals(providerKinds),
  /** Where the provider answers; the registry's address where absent. `{region}` in it stands for the region of the target, `{project}` for `project`. */
  baseUrl: Schema.optionalKey(BaseUrl),
  key: Schema.optionalKey(Secret),
  /** Several keys of one account or of several: calls are shared out by weight, and what one is refused another is asked for. */
  keys: Schema.optionalKey(ProviderKeys),
  /** How tokens are got, for a provider that takes them instead of a key. */
  auth: Schema.optionalKey(Auth),
  /** The project that its address names. */
  project: Schema.optionalKey(
    Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9.:-]{0,99}$/u, { expected: "a project's id, such as `acme-prod`" }))
  ),
  /** The dated version of its API; the undated one where absent. */
  apiVersion: Schema.optionalKey(
    Schema.String.check(
      Schema.isPattern(/^20\d\d-[01]\d-[0-3]\d(-preview)?$/u, { expected: "a dated version, such as `2024-10-21` or `2025-04-01-preview`" })
    )
  ),
  /** The APIs that it is spoken to in, best first; what its kind speaks where absent. */
  speaks: Schema.optionalKey(Schema.NonEmptyArray(Schema.Literals(dialectNames))),
  /** Where it serves, unless a target says otherwise. */
  region: Schema.optionalKey(Region),
  /** Whether callers may ask for models that are not declared as targets, as `provider/model`. */
  open: optional(Schema.Boolean, false),
  /** Models that the built-in mock server answers for at `baseUrl`, which is then a loopback address. */
  mock: Schema.optionalKey(Schema.Record(Schema.NonEmptyString, MockModel))
})
export type ProviderSpec = typeof ProviderSpec.Type

/** What a target can do, as far as its policy says. */
export const CapabilitiesSpec = Schema.Struct({
  /** Tokens of input and output together. */
  contextWindow: Schema.optionalKey(PositiveInt),
  vision: Schema.optionalKey(Schema.Boolean),
  audio: Schema.optionalKey(Schema.Boolean),
  files: Schema.optionalKey(Schema.Boolean),
  tools: Schema.optionalKey(Schema.Boolean),
  structuredOutput: Schema.optionalKey(Schema.Boolean),
  reasoning: Schema.optionalKey(Schema.Boolean)
})

export const TargetSpec = Schema.Struct({
  provider: Schema.String,
  /** The provider's own name for the model. */
  model: Schema.NonEmptyString,
  /** The provider's name for what serves the model, where it has one of its own. */
  deployment: Schema.optionalKey(Schema.NonEmptyString),
  region: Schema.optionalKey(Region),
  /** How much of it may be under way at once; no limit where absent. */
  capacity: Schema.optionalKey(Capacity),
  /** What guards may speak of. */
  tags: optional(Schema.Array(Name), []),
  /** What the model can do; what is not said here is looked up, and else unknown. */
  capabilities: optional(CapabilitiesSpec, {}),
  /** Dollars for a million tokens, to six decimals: what is finer than a pico-dollar a token would be lost. Cached input costs as much as other input unless said. */
  price: Schema.optionalKey(
    Schema.Struct({
      input: Price,
      output: Price,
      cacheRead: Schema.optionalKey(Price),
      cacheWrite: Schema.optionalKey(Price)
    })
  ),
  /** The most tokens that an answer may have. */
  maxOutputTokens: Schema.optionalKey(PositiveInt),
  /** The most tokens that the provider adds to a request of its own (tool instructions, templates), for reservations. */
  addedTokens: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
  /** The most tokens that one image, recording or file counts, for reservations. */
  mediaTokens: Schema.optionalKey(
    Schema.Struct({
      image: Schema.optionalKey(PositiveInt),
      audio: Schema.optionalKey(PositiveInt),
      file: Schema.optionalKey(PositiveInt)
    })
  )
})
export type TargetSpec = typeof TargetSpec.Type

/** What a provider is to the model: its maker, a cloud that serves it under a contract of its own, a host of others' models, a router to such hosts, or the policy's own. */
export const VendorClass = Schema.Literals(["maker", "cloud", "host", "router", "own"])
export type VendorClass = typeof VendorClass.Type

/** What a target can be known to do, as guards and `check` name it. */
export const Capability = Schema.Literals(["vision", "audio", "files", "tools", "structuredOutput", "reasoning"])
export type Capability = typeof Capability.Type

/** Targets that routes share, and how one of them is chosen. */
export const Pool = Schema.Struct({ by: SpreadBy, of: Schema.NonEmptyArray(Member) })
export type Pool = typeof Pool.Type
