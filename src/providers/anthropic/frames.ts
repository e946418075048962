/**
 * The events of a stream as text: written by hand, since most of every answer is one of them with another piece in it.
 */

/** An event, and what it says beside its type, as JSON members. */
export const frame = (type: string, members: string): string => `event: ${type}\ndata: {"type":"${type}"${members}}\n\n`

const delta = (index: number, type: string, field: string, json: string): string =>
  `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},"delta":{"type":"${type}","${field}":${json}}}\n\n`

/** A piece of a text. */
export const textDelta = (index: number, text: string): string => delta(index, "text_delta", "text", JSON.stringify(text))

/** A piece of a thought. */
export const thinkingDelta = (index: number, text: string): string => delta(index, "thinking_delta", "thinking", JSON.stringify(text))

/** A piece of the JSON text of an input. */
export const inputDelta = (index: number, text: string): string => delta(index, "input_json_delta", "partial_json", JSON.stringify(text))

/** The signature of a thought. */
export const signatureDelta = (index: number, signature: string): string =>
  delta(index, "signature_delta", "signature", JSON.stringify(signature))

/** A citation, as JSON. */
export const citationDelta = (index: number, json: string): string => delta(index, "citations_delta", "citation", json)
