/**
 * Failures of the Responses API: an answer that is not a success, a response that says `failed`, and the two events with which a stream reports one.
 *
 * A failed response comes with status 200. Its error has a code (openai SDK, `ResponseError`), of which those that Chat Completions does not know are below; where the
 * code says nothing, the table of Chat Completions judges.
 */
import type { Failure } from "../../Failure.ts"
import { failure, is, type Table } from "../failures.ts"
import { field, isObject, type Json, textAt } from "../json.ts"
import * as chat from "../openai/failure.ts"

const byCode: Table = {
  // It comes with a flagged prompt as well as with a malformed one; the message of the former says so, and Chat's table reads it first.
  invalid_prompt: is("bad-request"),
  data_residency_mismatch: is("bad-request"),
  bio_policy: is("content-filter"),
  misalignment_policy_violation: is("content-filter"),
  image_content_policy_violation: is("content-filter"),
  vector_store_timeout: is("timeout"),
  invalid_image: is("bad-request"),
  invalid_image_format: is("bad-request"),
  invalid_base64_image: is("bad-request"),
  invalid_image_url: is("bad-request"),
  invalid_image_mode: is("bad-request"),
  image_too_large: is("bad-request"),
  image_too_small: is("bad-request"),
  image_parse_error: is("bad-request"),
  image_file_too_large: is("bad-request"),
  image_file_not_found: is("bad-request"),
  unsupported_image_media_type: is("bad-request"),
  empty_image_file: is("bad-request"),
  failed_to_download_image: is("bad-request")
}

/** The failure that an error object is. */
const judged = (error: Json): Failure => {
  const found = chat.failureIn({ error }) ?? failure(is("server-error"), undefined, {})
  const code = textAt(error, "code") ?? ""
  return found.class === "server-error" && Object.hasOwn(byCode, code) ? { ...found, ...byCode[code]! } : found
}

const unfinished: Readonly<Record<string, string>> = {
  failed: "the provider's response failed, and it does not say why",
  cancelled: "the provider's response was cancelled"
}

/** The class of an answer that is not a success. */
export const classify = chat.classify

/** An error inside an answer that calls itself a success. `error` is there in every response, and null in all but failed ones. */
export const failureIn = (body: unknown): Failure | undefined => {
  const error = field(body, "error")
  if (isObject(error)) return judged(error)
  const found = chat.failureIn(body)
  if (found !== undefined) return found
  const status = textAt(body, "status") ?? ""
  return Object.hasOwn(unfinished, status) ? failure(is("server-error"), undefined, { message: unfinished[status]! }) : undefined
}

/** What a stream's `error` event reports: the SDK's types have the fields in the event itself, the API sends them in an object of their own. */
export const failureOfError = (data: Json): Failure => {
  const error = data["error"]
  const { code, message, param } = data
  return judged(isObject(error) ? error : { code, message, param })
}
