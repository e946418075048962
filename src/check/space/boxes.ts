/**
 * Boxes, products of one set for each variable, and the search for what some boxes leave of another.
 *
 * A box names only the variables that it narrows. A region is a list of boxes, none empty; they may overlap, because a disjunction of conditions on different
 * variables is short that way and grows exponentially where every box is kept clear of the others.
 *
 * The search takes boxes away in the order that leaves least to look at: one that covers everything ends it; one that reaches out of the box by one variable alone
 * narrows it in place; only where all that is left are partly outside on several variables is the box taken apart. What misses a part is not looked at again inside
 * it. Where the question is only whether anything is left, a variable with a value that none of them wants is set to it, and all that narrow that variable are out
 * of the question: what they cover matters to nobody, since a call that the others leave is left there too. So texts, which always have such a value, are never
 * searched, and what remains to be taken apart are flags, callers and overlapping numbers.
 *
 * A search ends after so many boxes, and all searches of one space together after so many comparisons; then nothing is known.
 */
import { across, apart, isSame, join, meet, membersOf, minus, relate, type Values } from "./sets.ts"

export interface Box {
  /** The variables that are narrowed, ascending. */
  readonly at: ReadonlyArray<number>
  /** To what, each. */
  readonly to: ReadonlyArray<Values>
}

export type Region = ReadonlyArray<Box>

/** Every value of each variable, by its number. */
export type Universe = ReadonlyArray<Values>

/** What may still be spent on searching. */
export interface Effort {
  /** The boxes of one search or one result. */
  readonly boxes: number
  /** The comparisons of two boxes that all searches may still make. */
  comparisons: number
}

/** The box without bounds. */
export const all: Box = { at: [], to: [] }
export const everything: Region = [all]
export const nothing: Region = []

/** To what a box narrows a variable. */
export const sideOf = (box: Box, variable: number): Values | undefined => {
  const i = box.at.indexOf(variable)
  return i === -1 ? undefined : box.to[i]!
}

/** `box` with another side. */
export const withSide = (box: Box, variable: number, side: Values): Box => {
  const at = box.at.slice()
  const to = box.to.slice()
  let i = 0
  while (i < at.length && at[i]! < variable) i++
  const old = at[i] === variable ? 1 : 0
  at.splice(i, old, variable)
  to.splice(i, old, side)
  return { at, to }
}

/** The box with these sides, undefined where one is empty; sides that are everything narrow nothing. */
export const boxOf = (universe: Universe, sides: ReadonlyArray<readonly [variable: number, side: Values | undefined]>): Box | undefined => {
  let box = all
  for (const [variable, side] of sides) {
    if (side === undefined) return undefined
    if (!isSame(side, universe[variable]!)) box = withSide(box, variable, side)
  }
  return box
}

/** What is in both boxes. */
export const meetBoxes = (a: Box, b: Box): Box | undefined => {
  if (a.at.length === 0) return b
  if (b.at.length === 0) return a
  const at: Array<number> = []
  const to: Array<Values> = []
  let [i, j] = [0, 0]
  while (i < a.at.length || j < b.at.length) {
    const [x, y] = [a.at[i] ?? Infinity, b.at[j] ?? Infinity]
    const side = x === y ? meet(a.to[i]!, b.to[j]!) : x < y ? a.to[i] : b.to[j]
    if (side === undefined) return undefined
    at.push(Math.min(x, y))
    to.push(side)
    if (x <= y) i++
    if (y <= x) j++
  }
  return { at, to }
}

/** On how many variables `box` is partly outside `other`; 0 where it is covered, -1 where they have nothing in common. */
const openings = (box: Box, other: Box): number => {
  let [i, count] = [0, 0]
  for (let j = 0; j < other.at.length; j++) {
    const variable = other.at[j]!
    while (i < box.at.length && box.at[i]! < variable) i++
    if (box.at[i] !== variable) count++
    else {
      const relation = relate(box.to[i]!, other.to[j]!)
      if (relation === apart) return apart
      count += relation
    }
  }
  return count
}

/** Whether two boxes have nothing in common: quicker than to meet them. */
export const areApart = (a: Box, b: Box): boolean => openings(a, b) === apart

export type Ending = "searched" | "stopped" | "gave up"

/**
 * Visits disjoint boxes that together are what `taken` leaves of `box`, until one is answered with `false`; or, if only `any` of it is wanted, at most some part of
 * it, and none only where nothing is left. Those of `taken` that suffice for what has been taken away are added to `used`.
 */
export const search = (
  universe: Universe,
  effort: Effort,
  box: Box,
  taken: Region,
  visit: (part: Box) => boolean,
  any?: { readonly used: Set<Box> }
): Ending => {
  const open: Array<{ readonly part: Box; readonly among: Region }> = [{ part: box, among: taken }]
  let boxes = effort.boxes
  parts: for (let next = open.pop(); next !== undefined; next = open.pop()) {
    let { among, part } = next
    if (--boxes < 0) return "gave up"
    let narrowed: boolean
    do {
      if ((effort.comparisons -= among.length) < 0) return "gave up"
      const left: Array<Box> = []
      narrowed = false
      for (const other of among) {
        const count = openings(part, other)
        if (count === apart) continue
        if (count === 0) {
          any?.used.add(other)
          continue parts
        }
        if (count === 1) {
          any?.used.add(other)
          part = without(universe, part, other)
          narrowed = true
          continue
        }
        left.push(other)
      }
      among = left
      if (any !== undefined && left.length > 0) [part, among] = clear(universe, effort, part, left)
    } while (narrowed && among.length > 0)
    if (among.length === 0) {
      if (!visit(part)) return "stopped"
      continue
    }
    const cutter = among.reduce((a, b) => (openings(part, b) < openings(part, a) ? b : a))
    any?.used.add(cutter)
    const pieces: typeof open = []
    for (let j = 0; j < cutter.at.length; j++) {
      const variable = cutter.at[j]!
      const side = sideOf(part, variable) ?? universe[variable]!
      if (relate(side, cutter.to[j]!) !== across) continue
      pieces.push({ part: withSide(part, variable, minus(side, cutter.to[j]!)!), among })
      part = withSide(part, variable, meet(side, cutter.to[j]!)!)
    }
    // The first piece is the largest, and the likeliest to have something left.
    for (let i = pieces.length - 1; i >= 0; i--) open.push(pieces[i]!)
  }
  return "searched"
}

/** Narrows a box to values that boxes do not want, as far as there are any, and leaves out those that then miss it. */
const clear = (universe: Universe, effort: Effort, box: Box, among: Region): readonly [Box, Region] => {
  let [part, left] = [box, among]
  for (;;) {
    // To join the sides of a box takes about as long as to compare it with several.
    effort.comparisons -= 4 * left.length
    const wanted = new Map<number, { values: Values | undefined; readonly ones: Array<number> }>()
    for (const { at, to } of left)
      for (let i = 0; i < at.length; i++) {
        let all = wanted.get(at[i]!)
        if (all === undefined) wanted.set(at[i]!, (all = { values: undefined, ones: [] }))
        const side = to[i]!
        if (typeof side === "number") all.ones.push(side)
        else all.values = all.values === undefined ? side : join(all.values, side)
      }
    let cleared = false
    for (const [variable, all] of wanted) {
      const ones = membersOf(all.ones)
      const values = all.values === undefined ? ones! : ones === undefined ? all.values : join(all.values, ones)
      const free = minus(sideOf(part, variable) ?? universe[variable]!, values)
      if (free === undefined) continue
      part = withSide(part, variable, free)
      left = left.filter((other) => !other.at.includes(variable))
      cleared = true
    }
    if (!cleared || left.length === 0) return [part, left]
  }
}

/** What `other` leaves of a box that it reaches out of by one variable. */
const without = (universe: Universe, box: Box, other: Box): Box => {
  for (let j = 0; ; j++) {
    const variable = other.at[j]!
    const side = sideOf(box, variable) ?? universe[variable]!
    if (relate(side, other.to[j]!) === across) return withSide(box, variable, minus(side, other.to[j]!)!)
  }
}

/** One box for two that differ in one side, or of which one is in the other. */
const merge = (universe: Universe, a: Box, b: Box): Box | undefined => {
  if (openings(b, a) === 0) return a
  if (openings(a, b) === 0) return b
  if (a.at.length !== b.at.length) return undefined
  let odd = -1
  for (let i = 0; i < a.at.length; i++) {
    if (a.at[i] !== b.at[i]) return undefined
    if (isSame(a.to[i]!, b.to[i]!)) continue
    if (odd !== -1) return undefined
    odd = i
  }
  const variable = a.at[odd]!
  const side = join(a.to[odd]!, b.to[odd]!)
  if (!isSame(side, universe[variable]!)) return withSide(a, variable, side)
  return { at: a.at.toSpliced(odd, 1), to: a.to.toSpliced(odd, 1) }
}

/** What is in either region, in fewer boxes where two make one; undefined where that takes too many. */
export const unite = (universe: Universe, effort: Effort, a: Region, b: Region): Region | undefined => {
  const boxes = [...a]
  for (let box of b) {
    if ((effort.comparisons -= boxes.length) < 0) return undefined
    for (let i = 0; i < boxes.length; i++) {
      const one = merge(universe, boxes[i]!, box)
      if (one === undefined) continue
      // What has grown may now make one with another.
      boxes.splice(i, 1)
      i = -1
      box = one
    }
    boxes.push(box)
    if (boxes.length > effort.boxes) return undefined
  }
  return boxes
}

/** What is in both regions; undefined where that takes too many boxes. */
export const intersect = (effort: Effort, a: Region, b: Region): Region | undefined => {
  const boxes: Array<Box> = []
  for (const one of a) {
    if ((effort.comparisons -= b.length) < 0) return undefined
    for (const other of b) {
      const both = meetBoxes(one, other)
      if (both !== undefined && boxes.push(both) > effort.boxes) return undefined
    }
  }
  return boxes
}

/** What is in `a` alone; undefined where that takes too many boxes. */
export const subtract = (universe: Universe, effort: Effort, a: Region, b: Region): Region | undefined => {
  const boxes: Array<Box> = []
  for (const box of a) {
    const ending = search(universe, effort, box, b, (part) => boxes.push(part) <= effort.boxes)
    if (ending !== "searched") return undefined
  }
  return boxes
}
