/** Where the parts of a data file stand, and the way from a path in the data to a line and a column. */

/** A place in a text, both counted from 1; columns are UTF-16 code units, as editors count them. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A value by where it stands: a plain value where it begins, a list or an object that is a field where the field's name begins. */
export interface Tree {
  readonly offset: number
  /** Fields by name, entries by index. */
  readonly children?: ReadonlyMap<string, Tree>
}

/** What a data file holds, or what is wrong with it and where. */
export type Parsed =
  | { readonly _tag: "Data"; readonly json: unknown; readonly tree: Tree }
  | { readonly _tag: "Fault"; readonly problem: string; readonly offset: number }

/** The place of `offset`; a line ends with LF, CR LF or CR. */
export const placeOf = (text: string, offset: number): Place => {
  const before = text.slice(0, offset)
  let line = 1
  let start = 0
  for (const { index } of before.matchAll(/[\r\n]/g)) {
    // The CR of a CR LF ends nothing, not even where `offset` lies between the two.
    if (text[index] === "\r" && text[index + 1] === "\n") continue
    line += 1
    start = index + 1
  }
  return { line, column: offset - start + 1 }
}

/** The way from a path to the place of the closest part that exists. */
export const locator =
  (text: string, tree: Tree) =>
  (path: ReadonlyArray<PropertyKey>): Place => {
    let at = tree
    for (const step of path) {
      const next = at.children?.get(String(step))
      if (next === undefined) break
      at = next
    }
    return placeOf(text, at.offset)
  }
