/** YAML 1.2 (its core schema) with places: one document, no field twice, no tags that stand for more than data. */
import { isAlias, isMap, isScalar, isSeq, parseDocument, visit } from "yaml"
import type { Document, Node } from "yaml"
import type { Parsed, Tree } from "./Places.ts"

type Children = Map<string, Tree>

const offsetOf = (node: unknown, otherwise: number): number => (node as Node | null | undefined)?.range?.[0] ?? otherwise

const treeOf = (document: Document): Tree => {
  // An anchored node is read once, however often it is named: aliases may multiply without end.
  const seen = new Map<unknown, Children>()

  const childrenOf = (node: unknown): Children | undefined => {
    const target = isAlias(node) ? node.resolve(document) : node
    if (!isMap(target) && !isSeq(target)) return undefined
    const known = seen.get(target)
    if (known !== undefined) return known
    const children: Children = new Map()
    seen.set(target, children)
    if (isMap(target)) {
      for (const { key, value } of target.items) {
        const name = isScalar(key) ? String(key.value) : String(key)
        const below = childrenOf(value)
        const start = offsetOf(key, 0)
        // A value that is left out stands where its name does.
        const isThere = isAlias(value) || (isScalar(value) && value.source !== "")
        children.set(name, below === undefined ? { offset: isThere ? offsetOf(value, start) : start } : { offset: start, children: below })
      }
    } else {
      for (const [index, item] of target.items.entries()) {
        const below = childrenOf(item)
        const offset = offsetOf(item, offsetOf(target, 0))
        children.set(String(index), below === undefined ? { offset } : { offset, children: below })
      }
    }
    return children
  }

  const children = childrenOf(document.contents)
  const offset = offsetOf(document.contents, 0)
  return children === undefined ? { offset } : { offset, children }
}

const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1).replace(/\.$/, "")

/** Parses a YAML file. */
export const parseYaml = (text: string): Parsed => {
  const document = parseDocument(text, { version: "1.2", schema: "core", strict: true, uniqueKeys: true, prettyErrors: false })
  const fault = document.errors[0] ?? document.warnings[0]
  if (fault !== undefined) {
    const [start, end] = fault.pos
    const name = /^\s*(?:"([^"\n]*)"|'([^'\n]*)'|([^\s:#]+))/.exec(text.slice(start, Math.max(end, start + 80)))
    const problem =
      fault.code === "DUPLICATE_KEY" && name !== null
        ? `the field \`${name[1] ?? name[2] ?? name[3]}\` is there twice`
        : fault.code === "MULTIPLE_DOCS"
          ? "expected one document, but found a second after `---`"
          : lowerFirst(fault.message)
    return { _tag: "Fault", problem, offset: start }
  }
  let dangling: Parsed | undefined
  visit(document, {
    Alias: (_key, node) => {
      if (node.resolve(document) !== undefined) return undefined
      dangling = { _tag: "Fault", problem: `\`*${node.source}\` names no anchor before it`, offset: offsetOf(node, 0) }
      return visit.BREAK
    }
  })
  if (dangling !== undefined) return dangling
  try {
    return { _tag: "Data", json: document.toJS({ maxAliasCount: 100 }), tree: treeOf(document) }
  } catch (error) {
    // Aliases that multiply beyond the limit.
    return { _tag: "Fault", problem: lowerFirst(error instanceof Error ? error.message : String(error)), offset: 0 }
  }
}
