/**
 * Where Vertex AI answers: Gemini's dialect at an address for each region and project.
 *
 * From cloud.google.com, "Deployments and endpoints": a region is a part of the host's name, `global` is not ("exclude the location from the endpoint name"), and the
 * multi-regions `us` and `eu` have hosts of their own, as Google's SDK has them too (`@google/genai`). Tokens are bearer tokens of Google Cloud; a key, where an
 * organisation allows keys, goes in `x-goog-api-key`.
 *
 * Calls and their results may carry ids: Google's reference lists `FunctionCall.id`, and recorded requests with ids were answered.
 */
import type { Dialect } from "../Dialect.ts"
import { gemini } from "./gemini.ts"
import { vertexCounting } from "./gemini/counting.ts"
import { vertexEmbeddings } from "./gemini/embeddings.ts"

/** Gemini's dialect but for embeddings and counting, which are asked for in another way there. */
export const vertex: Dialect = { ...gemini, embeddings: vertexEmbeddings, counting: vertexCounting }

/** The address of a model's publisher; `vertexAddress` puts the host right. */
export const vertexBase = "https://{region}-aiplatform.googleapis.com/v1/projects/{project}/locations/{region}/publishers/google"

export const vertexHosts = /^(?:[a-z0-9-]+-)?aiplatform\.googleapis\.com$|^aiplatform\.[a-z0-9-]+\.rep\.googleapis\.com$/

/** Locations that are no region. */
const multiRegions: ReadonlySet<string> = new Set(["us", "eu"])

/** An address as its region completed it, with the host that the location really has. */
export const vertexAddress = (baseUrl: string): string =>
  baseUrl.replace(/^https:\/\/([^./]+)-aiplatform\.googleapis\.com/, (host, location: string) =>
    location === "global"
      ? "https://aiplatform.googleapis.com"
      : multiRegions.has(location)
        ? `https://aiplatform.${location}.rep.googleapis.com`
        : host
  )

/** List prices are those of the global endpoint: from Gemini 3 on all others cost more ("Agent Platform pricing"). */
export const isGlobal = (address: string): boolean => address.includes("/locations/global/")
