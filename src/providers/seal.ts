/**
 * Seals on their way through dialects that cannot read them.
 *
 * A provider that signs what its model thought wants that back with the next request, or the model forgets, and some refuse the request. A caller of another dialect keeps what
 * it does not understand as long as it stands where its own dialect has something opaque: a thinking block's signature, encrypted reasoning. So a foreign seal is
 * put there, in a wrapping that says whose it is, and taken out when it comes back. The wrapping is base64, because some SDKs decode that field.
 *
 * Its own provider would refuse a wrapped seal. A request that carries one is therefore never forwarded as it is: `holdsForeign` tells while it is parsed. The road not taken
 * is a table of seals in the gateway: it would have to outlive the process and be shared by replicas.
 */
import type { Seal } from "../Conversation.ts"
import { type DialectName, dialectNames } from "../Dialect.ts"

/** Twelve bytes, so that its base64 is the same sixteen characters wherever it begins a text. */
const marker = "turnout:v01:"
const wrapped = "dHVybm91dDp2MDE6"

const isName = (name: string | undefined): name is DialectName => dialectNames.some((known) => known === name)

/** The text that stands for a seal in a field of `dialect`: the provider's own where it can read it. */
export const sealText = (seal: Seal, dialect: DialectName): string =>
  // The parts hold no character above U+00FF: an id and a name are ASCII, and the data is escaped.
  seal.dialect === dialect
    ? seal.data
    : btoa(`${marker}${seal.dialect}:${encodeURIComponent(seal.id ?? "")}:${encodeURIComponent(seal.data)}`)

/** What the text of a field of `dialect` seals. `id` is the provider's own, where the field has one beside it. */
export const sealOf = (text: string, dialect: DialectName, id?: string): Seal => {
  const own: Seal = { dialect, data: text, ...(id === undefined ? {} : { id }) }
  if (!text.startsWith(wrapped)) return own
  try {
    const [name, foreignId = "", data] = atob(text).slice(marker.length).split(":")
    if (!isName(name) || data === undefined) return own
    const known = decodeURIComponent(foreignId)
    return { dialect: name, data: decodeURIComponent(data), ...(known === "" ? {} : { id: known }) }
  } catch {
    return own
  }
}

/**
 * What stands in a field of `dialect` for what nobody has sealed: the dialect's own providers would refuse such a part, or not know it, so that its request may not be
 * forwarded to them as it is.
 */
export const nobodys = (dialect: DialectName): Seal => ({ dialect: dialect === "messages" ? "chat.completions" : "messages", data: "" })

/** Whether the text of a request holds a wrapped seal. */
export const holdsForeign = (text: string): boolean => text.includes(wrapped)
