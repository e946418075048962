/**
 * Findings as a SARIF 2.1.0 log, for the tools that show them beside the code they are about.
 *
 * One run of one tool. Every code that the checker knows is a rule, whether it was found or not, so that results of several runs can be compared. A place in the author's terms
 * is a logical location, line and column are a physical one; a policy that is code has only its file. An accepted finding is a result that is suppressed in the source, with the
 * author's reason. Knows no files: whoever calls says where things are.
 */
import type { AcceptedFinding, Code } from "./Check.ts"
import type { Finding, Path } from "./Finding.ts"

export interface SarifInput {
  /** The version of the tool. */
  readonly version: string
  /** The policy file as a URI reference. */
  readonly uri: string
  readonly codes: Readonly<Record<string, Code>>
  readonly findings: ReadonlyArray<Finding>
  readonly accepted: ReadonlyArray<AcceptedFinding>
  /** Where a part of the policy stands, line and column counted from 1: in another file than the policy's own where one is named. Undefined where that is not known. */
  readonly locate: (path: Path) => { readonly uri?: string; readonly line?: number; readonly column?: number } | undefined
}

/** A path of a file as a URI reference: its segments escaped, and an absolute one with its scheme. */
export const uriOf = (path: string): string => {
  const segments = path.replaceAll("\\", "/").split("/")
  const drive = /^[A-Za-z]:$/.test(segments[0]!)
  const escaped = segments.map((segment, i) => (drive && i === 0 ? segment : encodeURIComponent(segment))).join("/")
  return drive ? `file:///${escaped}` : path.startsWith("/") ? `file://${escaped}` : escaped
}

/** The log as JSON. */
export const sarif = ({ accepted, codes, findings, locate, uri, version }: SarifInput): object => {
  const names = Object.keys(codes)

  const physical = (path: Path): object => {
    const place = locate(path)
    return {
      physicalLocation: {
        artifactLocation: { uri: place?.uri ?? uri },
        ...(place?.line === undefined ? {} : { region: { startLine: place.line, startColumn: place.column } })
      }
    }
  }

  const result = (finding: Finding): object => {
    const { code, fix, level, message, path, place, witness } = finding
    return {
      ruleId: code,
      ruleIndex: names.indexOf(code),
      level,
      message: { text: fix === undefined ? message : `${message}; ${fix}` },
      locations: [{ ...physical(path), ...(place === "" ? {} : { logicalLocations: [{ fullyQualifiedName: place }] }) }],
      ...(witness === undefined ? {} : { properties: { witness } })
    }
  }

  return {
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "turnout",
            semanticVersion: version,
            rules: Object.entries(codes).map(([id, { family, level, says }]) => ({
              id,
              shortDescription: { text: says },
              defaultConfiguration: { level },
              properties: { tags: [family] }
            }))
          }
        },
        columnKind: "utf16CodeUnits",
        results: [
          ...findings.map(result),
          ...accepted.map(({ because, finding, path }) => ({
            ...result(finding),
            suppressions: [{ kind: "inSource", justification: because, location: physical(path) }]
          }))
        ]
      }
    ]
  }
}
