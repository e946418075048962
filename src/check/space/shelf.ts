/**
 * Boxes in the order in which they come, filed so that whether one of the first holds a point is asked of few.
 *
 * Most conditions want one fact to be one value, a model or a team, and policies have rows of those. Such a box is filed under that value, so a point asks the boxes
 * under its own values and those that are filed nowhere. Made while checking, where every route asks what the routes before it take.
 */
import type { Box } from "./boxes.ts"
import { holdsPoint, type Point } from "./witness.ts"

export interface Shelf {
  readonly add: (box: Box) => void
  /** Whether one of the first boxes holds the point. */
  readonly holds: (point: Point, boxes: number) => boolean
}

/** `completed` gives a point a value for each variable that there is. */
export const makeShelf = (completed: (point: Point) => Point): Shelf => {
  const boxes: Array<Box> = []
  const unfiled: Array<number> = []
  const filed = new Map<number, Map<number, Array<number>>>()
  const anyOf = (list: ReadonlyArray<number>, until: number, point: Point): boolean => {
    for (let i = 0; i < list.length && list[i]! < until; i++) if (holdsPoint(boxes[list[i]!]!, point)) return true
    return false
  }
  return {
    add: (box) => {
      const number = boxes.push(box) - 1
      let [best, size, value] = [-1, -1, -1]
      for (const [i, variable] of box.at.entries()) {
        const side = box.to[i]!
        const values = filed.get(variable)?.size ?? 0
        // The more values a variable has been wanted to have, the fewer boxes are left for one.
        if (typeof side === "number" && values >= size) [best, size, value] = [variable, values, side]
      }
      if (best === -1) {
        unfiled.push(number)
        return
      }
      const values = filed.get(best) ?? new Map<number, Array<number>>()
      filed.set(best, values)
      const list = values.get(value)
      if (list === undefined) values.set(value, [number])
      else list.push(number)
    },
    holds: (some, until) => {
      const point = completed(some)
      if (anyOf(unfiled, until, point)) return true
      for (const [variable, values] of filed) {
        const x = point[variable]
        if (x === undefined) {
          for (const list of values.values()) if (anyOf(list, until, point)) return true
          continue
        }
        const list = values.get(x)
        if (list !== undefined && anyOf(list, until, point)) return true
      }
      return false
    }
  }
}
