/**
 * Where Azure OpenAI answers: the OpenAI dialects at an address of the customer's own.
 *
 * From learn.microsoft.com, "Azure OpenAI in Microsoft Foundry Models v1 API" (the v1 surface: `/openai/v1/` and the deployment in the body, no version) and "Azure OpenAI
 * REST API reference" (dated versions: `/openai/deployments/{deployment}/…?api-version=…`, and the Responses API at `/openai/responses?api-version=…`, which names its
 * deployment in the body). Keys go in `api-key`, tokens of Entra ID as bearer tokens ("How to configure Azure OpenAI with Microsoft Entra ID authentication").
 */
import type { Placed } from "../Providers.ts"

/** Resources of all three generations, in the public cloud and the sovereign ones. */
export const azureHosts = /\.(?:openai|cognitiveservices|services\.ai)\.azure\.(?:com|us|cn)$/

/** The list prices are those of the public cloud. */
export const isAzurePublic = (address: string): boolean => URL.parse(address)?.hostname.endsWith(".azure.com") === true

/** The resource's own address, however much of the way to the API an author has copied with it. */
export const azureAddress = (baseUrl: string): string => baseUrl.replace(/\/+$/, "").replace(/\/openai(?:\/v1)?$/, "")

/** The path of a dialect behind that address. */
export const azurePath = (path: string, { apiVersion, deployment }: Placed): string => {
  if (apiVersion === undefined) return `/openai/v1${path}`
  const version = `${path.includes("?") ? "&" : "?"}api-version=${apiVersion}`
  return path.startsWith("/responses")
    ? `/openai${path}${version}`
    : `/openai/deployments/${encodeURIComponent(deployment)}${path}${version}`
}
