/**
 * What is said in a load run: the requests that the generator sends, and the answers that the scripted upstream gives and the generator expects back.
 *
 * Fixed, so that every call is checked byte for byte, and written as compact JSON, so that parsing and encoding it again changes nothing. Sizes are those
 * of everyday traffic: eight messages in about 2 KB (or 10 KB), an answer of about 1 KB or of thirty chunks.
 */

/** The path that callers and gateway ask. */
export const path = "/v1/chat/completions"

/** What the names of the upstream's models begin with: a request that still names the caller's model has not been routed, and is refused. */
export const upstreamModels = "scripted-"

export const scenarios = ["json", "json-10k", "stream"] as const
export type Scenario = (typeof scenarios)[number]

const sentence = "The parcel left the depot in the morning, missed the noon connection and waits for the next lorry to the coast. "
const turns = [
  [
    "system",
    "You are the help desk of a small parcel carrier. Be brief, be kind, say what you do not know, and never promise a date that is not in the notes."
  ],
  ["user", "Hello, my parcel was due on Monday and it is still not here. The number is 4711-0815. Where is it?"],
  ["assistant", "Thank you for asking. I see that 4711-0815 left the depot on Saturday. I am looking up what has happened since then."],
  ["user", "Please do. It is a birthday present, and the birthday is on Thursday – so a day more or less does matter to us here."],
  [
    "assistant",
    "I understand. The notes say that it missed a connection on Sunday. They do not say yet which lorry it has been put on instead."
  ],
  ["user", `These are the notes that your colleague sent me yesterday: "${sentence.repeat(6).trim()}"`],
  [
    "assistant",
    "Thank you, these are the same notes that I have before me. There is one further line, entered this morning at half past nine."
  ],
  [
    "user",
    "Then tell me in three sentences: where is it now, when will it probably come, and whom do I call should it not have come by Wednesday?"
  ]
] as const

const request = (stream: boolean, more: string): string =>
  JSON.stringify({
    model: "support-assistant",
    messages: turns.map(([role, content], at) => ({ role, content: at === 5 ? content + more : content })),
    temperature: 0.2,
    max_tokens: 400,
    ...(stream ? { stream: true, stream_options: { include_usage: true } } : {}),
    user: "customer-52817"
  })

/** The body of every request of a scenario. */
export const requests: Readonly<Record<Scenario, string>> = {
  json: request(false, ""),
  "json-10k": request(false, `\n\n${sentence.repeat(72)}`),
  stream: request(true, "")
}

const usage = {
  prompt_tokens: 503,
  completion_tokens: 88,
  total_tokens: 591,
  prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
  completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0, accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 }
}
const head = {
  id: "chatcmpl-B7xQ2mTnVw4kZr9sLd1yHc8uPf3eG",
  created: 1_767_225_600,
  model: "scripted-small-2026-01-01",
  service_tier: "default"
}
const content =
  "Your parcel is at the depot on the coast, where it was scanned this morning at half past nine. It should reach you on Wednesday between ten and two; the notes " +
  "name no later stop, but I cannot promise it. If it has not come by Wednesday evening, please call the depot’s own desk, which is open until eight, and give them the " +
  "number 4711-0815 and the word “birthday”, which I have put into the notes."

/** The whole answer. */
export const answer = JSON.stringify({
  ...head,
  object: "chat.completion",
  choices: [{ index: 0, message: { role: "assistant", content, refusal: null, annotations: [] }, logprobs: null, finish_reason: "stop" }],
  usage,
  system_fingerprint: "fp_a1b2c3d4e5"
})

const event = (choices: ReadonlyArray<unknown>, used: typeof usage | null): string =>
  `data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", system_fingerprint: "fp_a1b2c3d4e5", choices, usage: used })}\n\n`
const delta = (delta: unknown, finishReason: string | null = null) => [{ index: 0, delta, logprobs: null, finish_reason: finishReason }]

/** The events of a streamed answer: role, content, finish, usage, end. */
export const events: ReadonlyArray<string> = [
  event(delta({ role: "assistant", content: "", refusal: null }), null),
  ...(content.match(/\S+\s*\S*\s*\S*\s*/g) ?? []).slice(0, 28).map((piece) => event(delta({ content: piece }), null)),
  event(delta({}, "stop"), null),
  event([], usage),
  "data: [DONE]\n\n"
]

/** The body that each call of a scenario must get. */
export const expected: Readonly<Record<Scenario, string>> = { json: answer, "json-10k": answer, stream: events.join("") }
