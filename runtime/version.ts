/**
 * The version in `package.json`, found from the sources and from the built files alike.
 */
import { readFileSync } from "node:fs"

const read = (path: string): string | undefined => {
  try {
    const json = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")) as { readonly name?: string; readonly version?: string }
    return json.name === "turnout" ? json.version : undefined
  } catch {
    return undefined
  }
}

export const version: string = read("../package.json") ?? read("../../package.json") ?? "0.0.0"
