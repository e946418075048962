/**
 * A situation with a fact of its request set, for witnesses that must be assigned an arm.
 */
import type { Situation } from "../../Situation.ts"

/** `situation`, saying that `request.id` or a field of metadata or a header is `value`. */
export const saying = (situation: Situation, fact: string, value: string): Situation => {
  const [, section, name] = /^request\.(?:(metadata|headers)\.)?(.+)$/.exec(fact)!
  const request = situation.request ?? {}
  if (section === "metadata") return { ...situation, request: { ...request, metadata: { ...request.metadata, [name!]: value } } }
  if (section === "headers") return { ...situation, request: { ...request, headers: { ...request.headers, [name!]: value } } }
  return { ...situation, request: { ...request, [name!]: value } }
}
