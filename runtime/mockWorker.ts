/**
 * The mock provider's own thread: starts the server that `Mock.ts` describes and reports its address. Ends when its owner terminates it.
 */
import { parentPort, workerData } from "node:worker_threads"
import { type Options, type Report, start } from "./Mock.ts"

const report = (message: Report): void => parentPort?.postMessage(message)

start(workerData as Options).then(
  ({ url }) => report({ url }),
  (error: Error) => report({ error: error.message })
)
