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
import { modelsAt, nearestApi } from "../src/Apis.ts"
import type { Api } from "../src/Call.ts"
import { type GatewayError, refuse } from "../src/GatewayError.ts"
import { modelsFor } from "../src/ModelList.ts"
import type { Pipeline } from "../src/Pipeline.ts"
import { queryKeyOf, secretOf } from "./Guard.ts"

export interface ControlOptions {
  readonly pipeline: () => Pipeline
  /** False from the moment at which the gateway begins to drain. */
  readonly ready: () => boolean
}

/** Whether the control plane answers at `path`. */
export const isControl = (path: string): boolean =>
  path === "/healthz" || path === "/readyz" || path === "/metrics" || modelsAt(path, () => undefined) !== undefined

const notThere = (path: string): GatewayError => refuse("not_found", `nothing answers at \`${path.slice(0, 200)}\``)

/** The models that whoever asks may use, or the one that is asked for, in the shape of the client's API. */
const listed = ({ compiled, find }: Pipeline, url: string, headers: IncomingHttpHeaders): HttpServerResponse.HttpServerResponse => {
  const query = url.indexOf("?")
  const path = query === -1 ? url : url.slice(0, query)
  const secret = secretOf(headers, nearestApi(path).dialect.modelField === undefined ? queryKeyOf(url, query) : undefined)
  const models = modelsFor(compiled, (typeof secret === "object" ? undefined : find(secret)?.class) ?? "")
  const at = modelsAt(path, (name) => headers[name] as string | undefined)
  if (at === undefined) return refused(nearestApi(path), notThere(path))
  if (at.model === undefined) return HttpServerResponse.jsonUnsafe(at.list.all(models))
  const found = models.find(({ name }) => name === at.model)
  if (found !== undefined) return HttpServerResponse.jsonUnsafe(at.list.one(found))
  return refused(at.api, refuse("model_not_found", `there is no model \`${at.model.slice(0, 100)}\`, or this key may not use it`))
}

const refused = (api: Api, error: GatewayError) =>
  HttpServerResponse.text(api.errorBody(error), { status: error.status, contentType: "application/json" })

/** The handler for everything that is no API of the data plane. */
export const make = ({
  pipeline,
  ready
}: ControlOptions): Effect.Effect<(request: IncomingMessage, response: ServerResponse) => void, never, Scope.Scope> =>
  Effect.gen(function* () {
    const scope = yield* Effect.scope
    const list = Effect.map(HttpServerRequest.HttpServerRequest, ({ headers, url }) =>
      listed(pipeline(), url, headers as IncomingHttpHeaders)
    )
    const routes = Layer.mergeAll(
      HttpRouter.add("GET", "/healthz", HttpServerResponse.text("ok\n")),
      HttpRouter.add(
        "GET",
        "/readyz",
        Effect.sync(() => (ready() ? HttpServerResponse.text("ready\n") : HttpServerResponse.text("draining\n", { status: 503 })))
      ),
      HttpRouter.add("GET", "/*", list),
      PrometheusMetrics.layerHttp()
    )
    const app = yield* HttpRouter.toHttpEffect(routes)
    const handler = yield* NodeHttpServer.makeHandler(app, { scope })
    return handler
  }).pipe(Effect.orDie)
