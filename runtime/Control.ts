/**
 * The control plane, on the data plane's port: health, readiness, the models that can be asked for, and metrics. Effect's HTTP modules, since nothing here is hot.
 */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as PrometheusMetrics from "effect/observability/PrometheusMetrics"
import { fallbackApi } from "../src/Apis.ts"
import { keepsOut } from "../src/Guards.ts"
import { guardsOf } from "../src/Layers.ts"
import { refuse } from "../src/GatewayError.ts"
import type { Pipeline } from "../src/Pipeline.ts"
import { secretOf } from "./Guard.ts"

export interface ControlOptions {
  readonly pipeline: () => Pipeline
  /** False from the moment at which the gateway begins to drain. */
  readonly ready: () => boolean
}

/** The models that whoever asks may use. */
const models = ({ compiled, find }: Pipeline, headers: IncomingHttpHeaders) => {
  const secret = secretOf(headers)
  const grant = compiled.grants((typeof secret === "object" ? undefined : find(secret)?.class) ?? "")
  const always = guardsOf(compiled.policy).filter(({ guard }) => guard.when === undefined)
  const granted = compiled.models
    .list()
    .filter(({ target }) => grant(target) === undefined && !always.some(({ guard }) => keepsOut(guard, target).out))
  return {
    object: "list",
    data: [
      ...compiled.models.mentioned.map((name) => ({ id: name, object: "model", created: 0, owned_by: "turnout" })),
      ...granted.map(({ name, target }) => ({ id: name, object: "model", created: 0, owned_by: target.provider }))
    ]
  }
}

const notFound = HttpServerResponse.text(
  fallbackApi.errorBody(
    refuse("not_found", "nothing answers here; there are POST /v1/chat/completions, GET /v1/models, /healthz, /readyz and /metrics")
  ),
  { status: 404, contentType: "application/json" }
)

/** The handler for everything that is no API of the data plane. */
export const make = ({
  pipeline,
  ready
}: ControlOptions): Effect.Effect<(request: IncomingMessage, response: ServerResponse) => void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const list = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers }) =>
      HttpServerResponse.jsonUnsafe(models(pipeline(), headers as IncomingHttpHeaders))
    )
    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/healthz", HttpServerResponse.text("ok\n")),
      HttpRouter.add(
        "GET",
        "/readyz",
        Effect.sync(() => (ready() ? HttpServerResponse.text("ready\n") : HttpServerResponse.text("draining\n", { status: 503 })))
      ),
      HttpRouter.add("GET", "/v1/models", list),
      HttpRouter.add("GET", "/openai/v1/models", list),
      HttpRouter.add("*", "/*", notFound),
      PrometheusMetrics.layerHttp()
    )
    const app = yield* HttpRouter.toHttpEffect(routes)
    const handler = yield* NodeHttpServer.makeHandler(app, { scope })
    return handler
  }).pipe(Effect.orDie)
