/**
 * The input of a Responses request: items, and where instructions go.
 *
 * - **Instructions.** A single one is sent as `instructions`; several are items with their roles, and later ones stay in their place. None is put into the user's mouth.
 * - **Reasoning.** Only what Responses itself has sealed can be sent back. It goes without its id: the API refuses an item with an id whose successor has none ("provided
 *   without its required following item"; recorded), takes one without (recorded), and an id means nothing where nothing is stored. What precedes no answer and no call is left out.
 * - **Own requests.** Every item goes back as it was and to its index, since what has no place in the model is put back by index. An item that cannot be sent (reasoning
 *   that another provider sealed) leaves a gap until then.
 */
import type { Instruction, Message, Part, Seal, Source } from "../../Conversation.ts"
import { citationsAt, nameAt } from "../paths.ts"
import { answeredInstead, answering, goesOn, joined } from "../turns.ts"
import { type Body, lose, type Writing } from "./encode.ts"
import { fileName, urlOf } from "./media.ts"

/** An item as it is sent; undefined where nothing is, and only its place counts. */
interface Item {
  readonly at: string
  readonly body: Body | undefined
}

type Role = Message["role"]

const textPart = (text: string, role: Role): Body => ({ type: role === "assistant" ? "output_text" : "input_text", text })

const uploaded = "a file that was uploaded to another provider cannot be read"

const imageOf = (writing: Writing, source: Source, detail: string | undefined, at: string): Body | undefined => {
  const seen = detail === undefined ? {} : { detail }
  if (source._tag === "Uploaded" && writing.own) return { type: "input_image", file_id: source.id, ...seen }
  const url = urlOf(source)
  return url === undefined ? lose(writing, at, uploaded) : { type: "input_image", image_url: url, ...seen }
}

const unread = (mediaType: string | undefined): string | undefined =>
  mediaType === undefined ? undefined : /^(?:audio|video)\//.exec(mediaType)?.[0].slice(0, -1)

const fileOf = (writing: Writing, source: Source, given: string | undefined, at: string): Body | undefined => {
  const filename = given === undefined ? {} : { filename: given }
  if (source._tag === "Uploaded") return writing.own ? { type: "input_file", file_id: source.id, ...filename } : lose(writing, at, uploaded)
  if (source._tag === "Plain") {
    lose(writing, at, "a document of plain text is sent as text of its message")
    return { type: "input_text", text: source.text }
  }
  const { mediaType } = source
  if (!writing.own) {
    if (mediaType?.startsWith("image/") === true) return imageOf(writing, source, undefined, at)
    const kind = unread(mediaType)
    if (kind !== undefined) return lose(writing, at, `Responses reads no ${kind}`)
  }
  if (source._tag === "Url" && given !== undefined && !writing.own)
    lose(writing, nameAt(writing.conversation.dialect, at), "a file at an address is sent without a name")
  if (source._tag === "Url") return { type: "input_file", file_url: source.url, ...(writing.own ? filename : {}) }
  return { type: "input_file", file_data: urlOf(source), filename: given ?? fileName(source.mediaType) }
}

/** A part of a message or of a result. */
const partOf = (writing: Writing, part: Part, role: Role): Body | undefined => {
  const at = part.at ?? "input"
  const { own } = writing
  switch (part._tag) {
    case "Text": {
      if (part.seal !== undefined) lose(writing, at, "the signature of a text has no place in Responses")
      const annotations = part.citations?.map(({ value }) => value)
      if (annotations === undefined) return textPart(part.text, role)
      if (own) return { type: "output_text", text: part.text, annotations }
      if (annotations.length > 0)
        lose(writing, citationsAt(writing.conversation.dialect, at), "sources of an earlier answer are not read again")
      return textPart(part.text, role)
    }
    case "Refusal":
      return { type: "refusal", refusal: part.text }
    case "Image":
    case "File":
      if (role === "assistant" && !own) return lose(writing, at, "an assistant message holds no such content")
      if (part._tag === "Image") return imageOf(writing, part.source, part.detail, at)
      if (part.cite === true) lose(writing, `${at}.citations`, "Responses does not cite what is sent with a message")
      return fileOf(writing, part.source, part.name, at)
    case "Audio":
      // The API's own refusal: "Invalid value: 'input_audio'. Supported values are: 'input_text', 'input_image', …".
      return own
        ? { type: "input_audio", input_audio: { data: part.data, format: part.format } }
        : lose(writing, at, "Responses does not listen to audio")
    case "Foreign":
      return own ? (part.value as Body) : lose(writing, at, `\`${part.type}\` has no place in Responses`)
    default:
      return lose(writing, at, "this has no place inside of a message")
  }
}

/** A lone text is sent as a string where its caller did, or where it is not known how. */
const contentOf = (writing: Writing, parts: ReadonlyArray<Part>, role: Role): unknown => {
  const [only] = parts
  if (parts.length === 1 && only?._tag === "Text" && only.seal === undefined && only.citations === undefined) {
    if (!writing.own || only.at?.endsWith("]") !== true) return only.text
  }
  return parts.flatMap((part) => partOf(writing, part, role) ?? [])
}

/** Ids of calls as the API takes them: at most 64 characters, and never none. */
class CallIds {
  readonly #short = new Map<string, string>()
  readonly #nameless: Array<{ readonly id: string; readonly name: string }> = []
  #count = 0

  ofCall(id: string, name: string): string {
    if (id !== "") return this.#shortened(id)
    const made = `call_${this.#count++}`
    this.#nameless.push({ id: made, name })
    return made
  }

  /** A result without an id belongs to the first call of its name that has none yet. */
  ofResult(id: string, name: string | undefined): string {
    if (id !== "") return this.#shortened(id)
    const index = this.#nameless.findIndex((call) => name === undefined || call.name === name)
    return index < 0 ? `call_${this.#count++}` : this.#nameless.splice(index, 1)[0]!.id
  }

  #shortened(id: string): string {
    if (id.length <= 64) return id
    const known = this.#short.get(id) ?? `call_long_${this.#short.size}`
    this.#short.set(id, known)
    return known
  }
}

/** The items of one message, in the order of its parts. */
class MessageItems {
  readonly items: Array<Item> = []
  readonly #writing: Writing
  readonly #message: Message
  readonly #ids: CallIds
  #content: Array<Part> = []
  #thoughts: Array<Part> = []

  constructor(writing: Writing, message: Message, ids: CallIds) {
    this.#writing = writing
    this.#message = message
    this.#ids = ids
    for (const part of message.parts) this.#add(part)
    this.#endThoughts(undefined)
    this.#endContent()
  }

  #push(at: string, body: Body, item: string | undefined): void {
    this.items.push({ at, body: this.#writing.own && item !== undefined ? { ...body, id: item } : body })
  }

  #add(part: Part): void {
    const at = part.at ?? this.#message.at
    if (part._tag === "Reasoning" || part._tag === "SealedReasoning") {
      this.#endContent()
      this.#thoughts.push(part)
      if (part.seal !== undefined) this.#endThoughts(part.seal)
      return
    }
    this.#endThoughts(undefined)
    if ((part._tag === "ToolCall" || part._tag === "Text") && part.seal?.dialect === "responses") {
      this.#thoughts.push({ _tag: "SealedReasoning", seal: part.seal, at })
      this.#endThoughts(part.seal)
    }
    switch (part._tag) {
      case "ToolCall": {
        this.#endContent()
        const { name, seal } = part
        if (seal !== undefined && seal.dialect !== "responses")
          lose(this.#writing, at, "the signature of a call can be read only by the provider that made it")
        const text = !this.#writing.own && part.arguments.trim() === "" ? "{}" : part.arguments
        this.#push(at, { type: "function_call", call_id: this.#callId(part.id, name), name, arguments: text }, part.item)
        return
      }
      case "ToolResult": {
        this.#endContent()
        const { callId, isError, name, parts } = part
        const { own } = this.#writing
        if (isError === true) lose(this.#writing, `${at}.is_error`, "a tool's failure can only be told in words")
        const output = parts.length === 0 && !own ? "" : contentOf(this.#writing, parts, "tool")
        const id = own ? callId : this.#ids.ofResult(callId, name)
        this.#push(at, { type: "function_call_output", call_id: id, ...(own && name !== undefined ? { name } : {}), output }, part.item)
        return
      }
      case "Foreign":
        if (part.at === this.#message.at && this.#writing.own) {
          this.#endContent()
          this.items.push({ at, body: part.value as Body })
          return
        }
        break
      default:
    }
    this.#content.push(part._tag === "Text" && part.seal?.dialect === "responses" ? withoutSeal(part) : part)
  }

  #callId(id: string, name: string): string {
    return this.#writing.own ? id : this.#ids.ofCall(id, name)
  }

  #endContent(): void {
    const { own } = this.#writing
    const { at, name, parts, role } = this.#message
    if (this.#content.length === 0 && !(own && parts.length === 0)) return
    const content = contentOf(this.#writing, this.#content, role)
    const item = this.#content[0]?.item
    this.#content = []
    if (!own && Array.isArray(content) && content.length === 0) return
    if (name !== undefined) lose(this.#writing, `${at}.name`, "Responses does not tell participants of one role apart")
    this.#push(at, { role: role === "tool" ? "user" : role, content }, item)
  }

  #endThoughts(seal: Seal | undefined): void {
    const thoughts = this.#thoughts
    const [first] = thoughts
    if (first === undefined) return
    this.#thoughts = []
    const { own } = this.#writing
    const reason =
      seal === undefined
        ? own
          ? undefined
          : "earlier reasoning without a seal of Responses is not read"
        : seal.dialect === "responses"
          ? undefined
          : "only the provider that sealed this reasoning can read it"
    if (reason !== undefined) {
      for (const { at } of thoughts) lose(this.#writing, at ?? this.#message.at, reason)
      return
    }
    const texts = thoughts.flatMap((part) => (part._tag === "Reasoning" && (own || part.text !== "") ? [part] : []))
    // Open models say what they think, where others sum it up.
    const said = own && texts.some(({ at }) => at?.includes("].content[") === true)
    const list = texts.map(({ text }) => ({ type: said ? "reasoning_text" : "summary_text", text }))
    const body = {
      type: "reasoning",
      summary: said ? [] : list,
      ...(said ? { content: list } : {}),
      ...(seal === undefined ? {} : { encrypted_content: seal.data })
    }
    this.#push(first.at ?? this.#message.at, body, first.item)
  }
}

const withoutSeal = ({ seal: _seal, ...part }: Extract<Part, { readonly _tag: "Text" }>): Part => part

const isReasoning = (body: Body | undefined): boolean => body?.["type"] === "reasoning"

/** Leaves out reasoning that leads to nothing, which the API refuses. */
const withSuccessor = (writing: Writing, items: ReadonlyArray<Item>): ReadonlyArray<Item> => {
  const leads: Array<boolean> = []
  let last = false
  for (let index = items.length - 1; index >= 0; index--) {
    const { body } = items[index]!
    if (!isReasoning(body)) last = body?.["type"] === "function_call" || body?.["role"] === "assistant"
    leads[index] = last
  }
  return items.filter(({ at, body }, index) => {
    if (!isReasoning(body) || leads[index] === true) return true
    return lose(writing, at, "reasoning that led to no answer and no call is not read")
  })
}

/** The item that a text lies in: `input[2]` of `input[2].content[0]`. */
const itemPath = (at: string): string => at.slice(0, at.indexOf("]") + 1)

/** Instructions that its caller wrote into one item, or one after the other with one role, are one item. */
const instructionItems = (writing: Writing, system: ReadonlyArray<Instruction>): ReadonlyArray<Item> => {
  const groups: Array<{ readonly at: string; readonly role: Instruction["role"]; readonly all: Array<Instruction> }> = []
  for (const instruction of system) {
    const last = groups.at(-1)
    const at = writing.own ? itemPath(instruction.at) : instruction.at
    if (last?.role === instruction.role && (!writing.own || last.at === at)) last.all.push(instruction)
    else groups.push({ at, role: instruction.role, all: [instruction] })
  }
  return groups.map(({ all, at, role }) => ({
    at,
    body: {
      role,
      content: contentOf(
        writing,
        all.map(({ at, text }): Part => ({ _tag: "Text", text, at })),
        role
      )
    }
  }))
}

const spoken = (writing: Writing): ReadonlyArray<Item> => {
  const { conversation, own } = writing
  const ids = new CallIds()
  const said = own ? conversation.messages : joined(answering(conversation.messages, (at, reason) => lose(writing, at, reason)))
  const items = said.flatMap((message): ReadonlyArray<Item> => {
    const before = writing.losses.length
    const { items } = new MessageItems(writing, message, ids)
    if (items.length > 0) return items
    if (writing.losses.length === before) lose(writing, message.at, "a message without content is left out")
    return own ? [{ at: message.at, body: undefined }] : []
  })
  const last = conversation.messages.at(-1)
  if (!own && last?.role === "assistant" && goesOn(conversation.dialect)) lose(writing, last.at, answeredInstead)
  return own ? items : withSuccessor(writing, items)
}

/** Writes `instructions` and `input`. In a request of its own a gap stands for an item that is not sent, until `closeGaps`. */
export const writeInput = (writing: Writing, body: Body): void => {
  const { conversation, own } = writing
  const { system } = conversation
  const items = spoken(writing)
  const alone = own ? system[0]?.at === "instructions" : system.length === 1 && items.length > 0
  if (alone) body["instructions"] = system[0]!.text
  const [only] = conversation.messages
  const input = [...instructionItems(writing, alone ? system.slice(1) : system), ...items]
  if (own && only?.at === "input") body["input"] = input[0]?.body?.["content"]
  else if (!own || input.length > 0) body["input"] = input.map((item) => item.body)
}

/** Takes out the gaps. */
export const closeGaps = (body: Body): void => {
  const { input } = body
  if (Array.isArray(input)) body["input"] = input.filter((item) => item !== undefined)
}
