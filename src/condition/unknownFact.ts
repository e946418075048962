/**
 * What would mend the name of a fact that there is not.
 */
import { didYouMean, nearest } from "../Suggest.ts"

/** Families of declared names: their long prefix makes all of them near. */
const families = /^(request\.(?:metadata|headers)\.|caller\.tags\.)([^]*)$/

/** The nearest of the `names` that there are, and in a family the nearest field, or where to declare it. */
export const unknownFactFix = (name: string, names: ReadonlyArray<string>): string | undefined => {
  const family = families.exec(name)
  if (family === null) return didYouMean(name, names)
  const [, prefix, field] = family as unknown as readonly [string, string, string]
  const [near] = nearest(
    field,
    names.filter((known) => known.startsWith(prefix)).map((known) => known.slice(prefix.length))
  )
  if (near !== undefined) return `did you mean \`${prefix}${near}\`?`
  const section = prefix.split(".")[1]!
  return field.includes(".") ? `names in \`${section}\` hold no dot` : `declare \`${field}\` in \`${section}\` of the policy`
}
